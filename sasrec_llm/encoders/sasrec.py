"""SASRec: self-attention over the liked items, oldest to newest (paper section 3.1.1)."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sasrec_llm.components import BuildContext
from sasrec_llm.dropout import Dropout
from sasrec_llm.encoders.attention import attend, bias
from sasrec_llm.encoders.dot_product import DotProduct, start_small
from sasrec_llm.encoders.linear import Linear, linear
from sasrec_llm.encoders.next_item import NextItemLoss, next_item_loss
from sasrec_llm.encoders.settings import SASRecSettings
from sasrec_llm.interfaces import Histories


class Block(nn.Module):
    """x + Dropout(SA(LayerNorm(x))), then the same with the feed-forward network (eq. 4-6)."""

    def __init__(self, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = Linear(width, 3 * width)
        self.attention_out = Linear(width, width)
        self.forward_norm = nn.LayerNorm(width)
        self.forward_in = Linear(width, width)
        self.forward_out = Linear(width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x [B, T, H], bias [B, T, T] -> [B, T, H]"""
        batch, length, width = x.shape
        qkv = self.query_key_value(self.attention_norm(x)).view(batch, length, 3, self.heads, width // self.heads)
        attended = attend(qkv, bias, self.dropout.p if self.training else 0.0)
        return self._onwards(x, attended.reshape(batch, length, width))

    def newest(self, x: Tensor, bias: Tensor) -> Tensor:
        """The same for the last place alone, [B, H]: what the others are worth to it is needed of them, and no more."""
        batch, length, width = x.shape
        known, last = self.attention_norm(x), x[:, -1]
        weight, offset = self.query_key_value.weight, self.query_key_value.bias
        q = linear(known[:, -1], weight[:width], offset[:width]).view(batch, self.heads, 1, width // self.heads)
        k_v = linear(known, weight[width:], offset[width:]).view(batch, length, 2, self.heads, q.shape[-1])
        k, v = k_v.permute(2, 0, 3, 1, 4)  # each [B, heads, T, d]
        visible, p = bias[:, None, -1:].to(q.dtype), self.dropout.p if self.training else 0.0
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=visible, dropout_p=p)
        return self._onwards(last, attended.reshape(batch, width))

    def _onwards(self, x: Tensor, attended: Tensor) -> Tensor:
        x = x + self.dropout(self.attention_out(attended))
        inner = self.dropout(F.relu(self.forward_in(self.forward_norm(x))))
        out: Tensor = x + self.dropout(self.forward_out(inner))
        return out


class SASRec(DotProduct):
    """Item vectors, and user vectors made of the item vectors of a history; r = l · e (section 3.1.1.3).

    Positions are counted from the newest item, so a row does not depend on how far it is padded. A padded position
    attends to itself: no row of the attention is empty, and an empty history has a (learned) vector like any other.
    """

    def __init__(
        self,
        *,
        n_items: int,
        width: int,
        blocks: int,
        heads: int,
        dropout: float,
        max_length: int,
        next_item: NextItemLoss,
    ) -> None:
        super().__init__(n_items=n_items, width=width, history_length=max_length, next_item=next_item)
        self.positions = nn.Embedding(max_length, width)  # row 0 is the newest
        self.blocks = nn.ModuleList(Block(width=width, heads=heads, dropout=dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)
        start_small(self)

    def states(self, histories: Histories) -> Tensor:
        x, mask = self._start(histories)
        for block in self.blocks:
            x = block(x, mask)
        out: Tensor = self.norm(x)
        return out

    def newest(self, histories: Histories) -> Tensor:
        x, mask = self._start(histories)
        for block in self.blocks[:-1]:
            x = block(x, mask)
        block = cast(Block, self.blocks[-1])
        out: Tensor = self.norm(block.newest(x, mask))
        return out

    def _start(self, histories: Histories) -> tuple[Tensor, Tensor]:
        """What the blocks are given: [B, T, H] (eq. 3), and what each place may look at, [B, T, T]."""
        items = histories.last(self.history_length)  # [B, T]
        length = items.shape[1]
        ages = torch.arange(length - 1, -1, -1, device=items.device)
        x: Tensor = self.dropout(self.items(items) + self.positions(ages))
        causal = torch.ones(length, length, dtype=torch.bool, device=items.device).tril()
        itself = torch.eye(length, dtype=torch.bool, device=items.device)
        return x, bias((causal & (items != 0)[:, None, :]) | itself)


def build(settings: SASRecSettings, context: BuildContext) -> SASRec:
    shape = settings.model_dump(include={"width", "blocks", "heads", "dropout", "max_length"})
    return SASRec(n_items=context.n_items, next_item=next_item_loss(settings, context), **shape)
