"""SASRec: self-attention over the liked items, oldest to newest (paper section 3.1.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sasrec_llm.components import BuildContext
from sasrec_llm.encoders.settings import SASRecSettings
from sasrec_llm.interfaces import Histories


class Block(nn.Module):
    """x + Dropout(SA(LayerNorm(x))), then the same with the feed-forward network (eq. 4-6)."""

    def __init__(self, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.forward_norm = nn.LayerNorm(width)
        self.forward_in = nn.Linear(width, width)
        self.forward_out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        """x [B, T, H], visible [B, 1, T, T] -> [B, T, H]"""
        batch, length, width = x.shape
        qkv = self.query_key_value(self.attention_norm(x)).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [B, heads, T, H / heads]
        attended = F.scaled_dot_product_attention(
            q, k, v, attn_mask=visible, dropout_p=self.dropout.p if self.training else 0.0
        )
        x = x + self.dropout(self.attention_out(attended.transpose(1, 2).reshape(batch, length, width)))
        inner = self.dropout(F.relu(self.forward_in(self.forward_norm(x))))
        out: Tensor = x + self.dropout(self.forward_out(inner))
        return out


class SASRec(nn.Module):
    """Item vectors, and user vectors made of the item vectors of a history.

    Positions are counted from the newest item, so a row does not depend on how far it is padded. A padded position
    attends to itself: no row of the attention is empty, and an empty history has a (learned) vector like any other.
    """

    def __init__(self, *, n_items: int, width: int, blocks: int, heads: int, dropout: float, max_length: int) -> None:
        super().__init__()
        self.width = width
        self.history_length = max_length
        self.items = nn.Embedding(n_items + 1, width, padding_idx=0)
        self.positions = nn.Embedding(max_length, width)  # row 0 is the newest
        self.blocks = nn.ModuleList(Block(width=width, heads=heads, dropout=dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self._start()

    def _start(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
        with torch.no_grad():
            self.items.weight[0] = 0

    def states(self, histories: Histories) -> Tensor:
        items = histories.last(self.history_length)  # [B, T]
        length = items.shape[1]
        ages = torch.arange(length - 1, -1, -1, device=items.device)
        x: Tensor = self.dropout(self.items(items) + self.positions(ages))  # [B, T, H], eq. 3
        causal = torch.ones(length, length, dtype=torch.bool, device=items.device).tril()
        itself = torch.eye(length, dtype=torch.bool, device=items.device)
        visible = (causal & (items != 0)[:, None, :]) | itself  # [B, T, T]
        for block in self.blocks:
            x = block(x, visible[:, None])
        out: Tensor = self.norm(x)
        return out

    def user_vectors(self, histories: Histories) -> Tensor:
        return self.states(histories)[:, -1]

    def item_vectors(self, items: Tensor) -> Tensor:
        out: Tensor = self.items(items)
        return out

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        """r = l · e (section 3.1.1.3)."""
        return torch.einsum("bh,bch->bc", self.user_vectors(histories), self.item_vectors(candidates))


def build(settings: SASRecSettings, context: BuildContext) -> SASRec:
    return SASRec(n_items=context.n_items, **settings.model_dump())
