"""Matrix factorisation: a vector for every user and every item, with or without biases."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sasrec_llm.components import BuildContext
from sasrec_llm.dropout import Dropout
from sasrec_llm.encoders.next_item import NextItemLoss, next_item_loss
from sasrec_llm.encoders.settings import MFSettings
from sasrec_llm.interfaces import Histories, Sequences


class MF(nn.Module):
    """r = p_u · q_i + b_u + b_i + b. The user is known by id alone; one that was never trained is left with b_i + b.

    With biases, r is still one dot product: (p_u, b_u + b, 1) · (q_i, 1, b_i).
    """

    history_length = 1  # none is read; a sequence of next-item training is one step from item to item

    def __init__(
        self,
        *,
        n_users: int,
        n_items: int,
        width: int,
        std: float,
        biases: bool,
        dropout: float,
        next_item: NextItemLoss,
    ) -> None:
        super().__init__()
        self.width = width
        self.next_item = next_item
        self.sparse = next_item.settings.sparse
        self.users = _table(n_users, width, std, self.sparse)
        self.items = _table(n_items, width, std, self.sparse)
        self.dropout = Dropout(dropout)  # of the vectors, not of the biases
        self.biases = biases
        if biases:
            self.user_bias = _table(n_users, 1, 0.0, self.sparse)
            self.item_bias = _table(n_items, 1, 0.0, self.sparse)
            self.offset = nn.Parameter(torch.zeros(()))

    def user_vectors(self, histories: Histories) -> Tensor:
        out: Tensor = self.users(histories.users)
        return out

    def item_vectors(self, items: Tensor) -> Tensor:
        out: Tensor = self.items(items)
        return out

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        return torch.einsum("bh,bch->bc", self._user_side(histories.users), self._item_side(candidates))

    def score_all(self, histories: Histories) -> Tensor:
        return self._user_side(histories.users) @ self._all_items().T

    def next_item_loss(self, sequences: Sequences) -> Tensor:
        """Every item of a sequence is asked for, the first too: the user's vector needs none before it."""
        asked = sequences.items != 0
        users = sequences.users[:, None].expand_as(sequences.items)[asked]
        wanted = self._user_side(users)
        return self.next_item(wanted, self._item_side if self.sparse else self._all_items(), sequences.items[asked])

    def rows_of_step(self, batch_size: int) -> int:
        """Of a table, at most, that a step reads."""
        return self.next_item.rows_of(2 * batch_size)

    def _user_side(self, users: Tensor) -> Tensor:
        vectors: Tensor = self.dropout(self.users(users))
        if not self.biases:
            return vectors
        bias = self.user_bias(users) + self.offset
        return torch.cat([vectors, bias, torch.ones_like(bias)], dim=-1)

    def _item_side(self, items: Tensor) -> Tensor:
        vectors: Tensor = self.dropout(self.items(items))
        if not self.biases:
            return vectors
        bias = self.item_bias(items)
        return torch.cat([vectors, torch.ones_like(bias), bias], dim=-1)

    def _all_items(self) -> Tensor:
        return self._item_side(torch.arange(self.items.num_embeddings, device=self.items.weight.device))


def _table(size: int, width: int, std: float, sparse: bool) -> nn.Embedding:
    """Rows 1 to `size` are small and random, row 0 is the unknown one."""
    table = nn.Embedding(size + 1, width, padding_idx=0, sparse=sparse)
    nn.init.normal_(table.weight, std=std)
    with torch.no_grad():
        table.weight[0] = 0
    return table


def build(settings: MFSettings, context: BuildContext) -> MF:
    return MF(
        n_users=context.n_users,
        n_items=context.n_items,
        width=settings.width,
        std=settings.std,
        biases=settings.biases,
        dropout=settings.dropout,
        next_item=next_item_loss(settings, context),
    )
