"""What encoders share whose score is the dot product of a user's vector and an item's row of one table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from sasrec_llm import products
from sasrec_llm.encoders.next_item import NextItemLoss, Rows
from sasrec_llm.interfaces import Histories, Sequences
from sasrec_llm.interfaces.batches import by_length

WORK = 2**20  # 8,000 positions of short sequences, half as many of long ones: what a CPU keeps in cache


class DotProduct(nn.Module, ABC):
    """r = u · e. Subclasses say what u is, and what the encoder knows at each step of a history."""

    def __init__(self, *, n_items: int, width: int, history_length: int, next_item: NextItemLoss) -> None:
        super().__init__()
        self.width = width
        self.history_length = history_length
        self.items = nn.Embedding(n_items + 1, width, padding_idx=0, sparse=next_item.settings.sparse)
        self.next_item = next_item

    @abstractmethod
    def states(self, histories: Histories) -> Tensor: ...

    def newest(self, histories: Histories) -> Tensor:
        """The last state alone, [B, H]."""
        return self.states(histories)[:, -1]

    def user_vectors(self, histories: Histories) -> Tensor:
        if histories.items.device.type != "cpu":
            return self.newest(histories)
        histories = histories.cut(self.history_length)
        order, found = [], []
        for rows, length in by_length(histories.items, WORK):
            order.append(rows)
            found.append(self.newest(histories.pick(rows).cut(length)))
        return torch.cat(found)[torch.cat(order).argsort()] if found else self.newest(histories)

    def item_vectors(self, items: Tensor) -> Tensor:
        out: Tensor = self.items(items)
        return out

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        return torch.einsum("bh,bch->bc", self.user_vectors(histories), self.item_vectors(candidates))

    def score_all(self, histories: Histories) -> Tensor:
        users, items = self.factors(histories)
        with products.of_rows(len(users)):
            return users @ items.T

    def factors(self, histories: Histories) -> tuple[Tensor, Tensor]:
        return self.user_vectors(histories), self.items.weight

    def learn_only(self, items: Tensor) -> None:
        self.next_item.learn_only(items)

    def table(self) -> Tensor | Rows:
        """What the loss is given of the items: all rows, or the way to a few."""
        return self.items if self.items.sparse else self.items.weight

    def rows_of_step(self, batch_size: int) -> int:
        """Of the item table, at most, that a step reads."""
        places = batch_size * self.history_length
        return places + self.next_item.rows_of(places)

    def next_item_loss(self, sequences: Sequences) -> Tensor:
        """Every step of every sequence is asked what follows it."""
        states, targets = [], []
        for part in in_parts(sequences):
            wanted = part.targets[:, -self.history_length :]
            asked = wanted.flatten().nonzero()[:, 0]
            states.append(self.states(part.inputs).flatten(0, 1).index_select(0, asked))
            targets.append(wanted.flatten()[asked])
        return self.next_item(torch.cat(states), self.table(), torch.cat(targets))


def in_parts(sequences: Sequences) -> Iterable[Sequences]:
    """On a CPU a few sequences of like length at a time: less padding, and no tensor that leaves the cache."""
    return sequences.by_length(WORK) if sequences.items.device.type == "cpu" else [sequences]


def start_small(module: nn.Module) -> None:
    """Initialise as SASRec and BERT do: small normal embeddings, Xavier matrices, zero biases."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)
        elif isinstance(part, nn.Embedding):
            nn.init.normal_(part.weight, std=0.02)
            if part.padding_idx is not None:
                with torch.no_grad():
                    part.weight[part.padding_idx] = 0
