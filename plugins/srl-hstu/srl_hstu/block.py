"""One layer of HSTU (arXiv 2402.17152, section 3.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """U, V, Q, K = split(φ(f1(LayerNorm(X))))       (1)
    A V = φ(Q Kᵀ + rab) V                            (2)
    Y = X + f2(Norm(A V) ⊙ U)                        (3)

    φ is SiLU: without a softmax no weight of A takes from another. rab is a learned number for each distance in places;
    the paper adds one for the distance in time, which is not known here.
    """

    def __init__(self, *, width: int, heads: int, dropout: float, max_length: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.f1 = nn.Linear(width, 4 * width)
        self.rab = nn.Parameter(torch.zeros(max_length))  # by how many places back
        self.attended_norm = nn.LayerNorm(width, elementwise_affine=False)
        self.f2 = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        """x [B, T, H], visible [B, T, T]: whether place i may look at place j -> [B, T, H]"""
        batch, length, width = x.shape
        split = F.silu(self.f1(self.norm(x))).view(batch, length, 4, self.heads, width // self.heads)
        u, v, q, k = split.permute(2, 0, 3, 1, 4)  # each [B, heads, T, d]
        place = torch.arange(length, device=x.device)
        back = (place[:, None] - place).clamp_(min=0)  # [T, T]
        weight = F.silu(q @ k.transpose(2, 3) + self.rab[back]) * visible[:, None]  # [B, heads, T, T]
        attended, gate = (part.transpose(1, 2).reshape(x.shape) for part in (weight @ v, u))
        out: Tensor = x + self.f2(self.dropout(self.attended_norm(attended) * gate))
        return out
