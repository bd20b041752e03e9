"""GRU4Rec: a recurrent network over the liked items, oldest to newest (Hidasi et al. 2016, arXiv 1511.06939)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sasrec_llm.components import BuildContext
from sasrec_llm.dropout import Dropout
from sasrec_llm.encoders.dot_product import DotProduct, start_small
from sasrec_llm.encoders.next_item import NextItemLoss, next_item_loss
from sasrec_llm.encoders.settings import GRU4RecSettings
from sasrec_llm.interfaces import Histories


class GRU4Rec(DotProduct):
    """State t is the GRU's output after item t; before the first item it is a learned vector."""

    def __init__(
        self,
        *,
        n_items: int,
        width: int,
        hidden: int,
        layers: int,
        dropout: float,
        max_length: int,
        next_item: NextItemLoss,
    ) -> None:
        super().__init__(n_items=n_items, width=width, history_length=max_length, next_item=next_item)
        self.dropout = Dropout(dropout)
        self.gru = nn.GRU(width, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.out = nn.Linear(hidden, width) if hidden != width else nn.Identity()
        self.empty = nn.Parameter(torch.randn(width) * 0.02)
        start_small(self)

    def states(self, histories: Histories) -> Tensor:
        items = histories.last(self.history_length)  # [B, T]
        length = items.shape[1]
        place = torch.arange(length, device=items.device)
        padding = (items == 0).sum(1, keepdim=True)  # [B, 1]
        # Every row starts with its first item, so that the GRU never reads padding before it.
        first = items.gather(1, (place + padding) % length)
        read: Tensor = self.gru(self.dropout(self.items(first)))[0]
        states: Tensor = self.out(read)  # [B, T, H]
        back = ((place - padding) % length)[..., None].expand_as(states)
        return torch.where((items != 0)[..., None], states.gather(1, back), self.empty)


def build(settings: GRU4RecSettings, context: BuildContext) -> GRU4Rec:
    shape = settings.model_dump(include={"width", "hidden", "layers", "dropout", "max_length"})
    return GRU4Rec(n_items=context.n_items, next_item=next_item_loss(settings, context), **shape)
