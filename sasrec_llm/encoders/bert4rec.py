"""BERT4Rec: attention in both directions, trained to fill gaps (Sun et al. 2019, arXiv 1904.06690)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sasrec_llm.components import BuildContext
from sasrec_llm.dropout import Dropout
from sasrec_llm.encoders.attention import bias
from sasrec_llm.encoders.dot_product import DotProduct, in_parts, start_small
from sasrec_llm.encoders.next_item import NextItemLoss, next_item_loss
from sasrec_llm.encoders.sasrec import Block
from sasrec_llm.encoders.settings import BERT4RecSettings, NextItemSettings
from sasrec_llm.interfaces import Histories, Sequences


class BERT4Rec(DotProduct):
    """What comes next is one more gap, at the end of the history.

    The mask that stands in a gap is a vector of its own and no row of the item table, so it is never recommended.
    Positions are counted from the newest, and nothing but itself sees a padded one, as in SASRec.
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
        mask_prob: float,
        mask_last: float,
        next_item: NextItemLoss,
    ) -> None:
        super().__init__(n_items=n_items, width=width, history_length=max_length, next_item=next_item)
        self.mask_prob = mask_prob
        self.mask_last = mask_last
        self.mask = nn.Parameter(torch.randn(width) * 0.02)
        self.positions = nn.Embedding(max_length + 1, width)  # row 0 is the newest: at prediction, the gap
        self.blocks = nn.ModuleList(Block(width=width, heads=heads, dropout=dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)
        start_small(self)

    def states(self, histories: Histories) -> Tensor:
        return self._with_gap(histories)[:, :-1]

    def newest(self, histories: Histories) -> Tensor:
        return self._with_gap(histories)[:, -1]

    def next_item_loss(self, sequences: Sequences) -> Tensor:
        """Cloze: the items of some places are hidden, and asked for."""
        states, hidden = [], []
        for part in in_parts(sequences):
            items = part.items[:, -self.positions.num_embeddings :]
            gaps = self.choose_gaps(items)
            states.append(self.fill(items, gaps)[gaps])
            hidden.append(items[gaps])
        return self.next_item(torch.cat(states), self.table(), torch.cat(hidden))

    def choose_gaps(self, items: Tensor) -> Tensor:
        """Each item with probability `mask_prob`, at least one of a sequence; of some sequences the last item alone, as
        at prediction. [B, T] -> [B, T]"""
        known = items != 0
        chance = torch.rand(items.shape, device=items.device).masked_fill(~known, torch.inf)
        gaps = known & ((chance < self.mask_prob) | (chance == chance.min(1, keepdim=True).values))
        newest = torch.zeros_like(known)
        newest[:, -1] = known[:, -1]
        only_last = torch.rand(len(items), 1, device=items.device) < self.mask_last
        return torch.where(only_last, newest, gaps)

    def fill(self, items: Tensor, gaps: Tensor) -> Tensor:
        """What stands at each place, seen from all others; a gap's own item is not seen. [B, T] each -> [B, T, H]"""
        length = items.shape[1]
        ages = torch.arange(length - 1, -1, -1, device=items.device)
        given = torch.where(gaps[..., None], self.mask, self.items(items))
        x: Tensor = self.dropout(given + self.positions(ages))
        itself = torch.eye(length, dtype=torch.bool, device=items.device)
        mask = bias((gaps | (items != 0))[:, None, :] | itself)
        for block in self.blocks:
            x = block(x, mask)
        out: Tensor = self.norm(x)
        return out

    def _with_gap(self, histories: Histories) -> Tensor:
        """-> [B, T + 1, H]: the places of the history, and the gap behind it."""
        items = F.pad(histories.last(self.history_length), (0, 1))
        gaps = torch.zeros_like(items, dtype=torch.bool)
        gaps[:, -1] = True
        return self.fill(items, gaps)


def build(settings: BERT4RecSettings, context: BuildContext) -> BERT4Rec:
    shape = settings.model_dump(exclude={*NextItemSettings.model_fields})
    return BERT4Rec(n_items=context.n_items, next_item=next_item_loss(settings, context), **shape)
