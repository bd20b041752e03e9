"""K learned queries attend to all that the encoder knows of a history, instead of to its last state alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sasrec_llm.aligners.output import TokenOutput, shape
from sasrec_llm.aligners.settings import CrossAttentionSettings
from sasrec_llm.components import BuildContext
from sasrec_llm.errors import UsageError


class CrossAttentionAligner(nn.Module):
    """token k = Output(LayerNorm(softmax(q_k Kᵀ / √d) V)): states [..., T, H] -> [..., K, D].

    An item is a history of one state. With nothing known, the last state counts: encoders give an empty history a
    vector of its own.
    """

    reads_states = True

    def __init__(self, *, in_width: int, out_width: int, tokens: int, width: int, heads: int, scale: float) -> None:
        super().__init__()
        self.tokens = tokens
        self.heads = heads
        self.queries = nn.Parameter(torch.randn(tokens, width))
        self.keys_values = nn.Linear(in_width, 2 * width)
        self.norm = nn.LayerNorm(width)
        self.project = TokenOutput(in_width=width, out_width=out_width, tokens=1, scale=scale)

    def forward(self, vectors: Tensor, known: Tensor | None = None) -> Tensor:
        states = vectors.flatten(0, -3)  # [R, T, H]
        count, length, _ = states.shape
        visible = torch.ones(count, length, dtype=torch.bool, device=states.device)
        if known is not None:
            visible = known.reshape(count, length).clone()
        visible[:, -1] |= ~visible.any(1)
        keys, values = self.keys_values(states).view(count, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        queries = self.queries.view(self.tokens, self.heads, -1).transpose(0, 1).expand(count, -1, -1, -1)
        read = F.scaled_dot_product_attention(queries, keys, values, attn_mask=visible[:, None, None])
        soft = self.project(self.norm(read.transpose(1, 2).flatten(2)))[..., 0, :]  # [R, K, D]
        return soft.unflatten(0, vectors.shape[:-2])  # type: ignore[no-any-return]


def build(settings: CrossAttentionSettings, context: BuildContext) -> CrossAttentionAligner:
    if settings.width % settings.heads:
        raise UsageError(f"aligner.width {settings.width} must be a multiple of aligner.heads {settings.heads}")
    return CrossAttentionAligner(width=settings.width, heads=settings.heads, **shape(settings, context))
