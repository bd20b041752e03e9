"""What of the data may be learned from, in the four shapes that objectives ask for; the test rows are not reachable."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
import torch

from sasrec_llm.components import Learns
from sasrec_llm.data.interactions import Interactions, Ints
from sasrec_llm.errors import DataError
from sasrec_llm.interfaces import Examples, Rows, Sequences


class Training:
    """The train rows as labelled rows, as likes with a history, or as sequences of likes."""

    def __init__(self, data: Interactions) -> None:
        self._data = data
        self.popularity = data.popularity()
        self.first_seen = first_seen(self.rows(), data.n_items)
        self.rated = data.rows.ratings is not None

    def rows(self, split: str = "train") -> Rows:
        return self._data.take(self._of(split))

    def examples(self, split: str, index: Ints, length: int) -> Examples:
        return self._data.examples(self._of(split)[index], length)

    def batches(self, learns: Learns, length: int, negatives: int) -> Batches:
        """`negatives`: items drawn at random beside each row, for rows that are all likes."""
        data, train = self._data, self._data.of("train")
        if learns == "likes":
            train = train[(data.rows.labels[train] == 1) & (data.end[train] > data.start[train])]
            negatives = 0
        found = SequenceBatches(data, length) if learns == "sequences" else RowBatches(data, train, length, negatives)
        if not len(found.index):
            raise DataError(f"{data.name} has no {learns} to learn from: no user has liked two items in train")
        return found

    def _of(self, split: str) -> Ints:
        if split not in ("train", "valid"):
            raise ValueError(f"nothing may be learned from {split}")
        return self._data.of(split)


def first_seen(rows: Rows, n_items: int) -> Ints:
    """The moment of every item's first row, -1 where it has none -> [N + 1]."""
    never = np.iinfo(np.int64).max
    found = np.full(n_items + 1, never)
    np.minimum.at(found, rows.items, rows.times)
    return np.where(found == never, -1, found)


class Batches(Protocol):
    """`index` [n] numbers what an epoch passes over; `take` cuts a batch."""

    index: Ints

    def take(self, index: Ints, seed: int) -> Examples | Sequences: ...


class RowBatches:
    """Rows as questions with one candidate, or with the right one first and random others behind it."""

    def __init__(self, data: Interactions, rows: Ints, length: int, negatives: int) -> None:
        self.index = rows
        self._data, self._length, self._negatives = data, length, negatives

    def take(self, index: Ints, seed: int) -> Examples:
        examples = self._data.examples(index, self._length)
        if not self._negatives:
            return examples
        chance = np.random.default_rng(seed)
        drawn = chance.integers(1, self._data.n_items, (len(index), self._negatives))
        drawn += drawn >= examples.targets.numpy()  # every item but the right one, equally likely
        targets = torch.cat([examples.targets, torch.from_numpy(drawn)], dim=1)
        labels = torch.cat([examples.labels, torch.zeros(drawn.shape)], dim=1)
        return replace(examples, targets=targets, labels=labels)


class SequenceBatches:
    """A user's likes in train, cut from the latest backwards into windows in which every item but the first is learned
    from the `length` before it, and no item twice."""

    def __init__(self, data: Interactions, length: int) -> None:
        self._data = data
        likes = data.rows.labels == 1
        self._times = data.rows.times[likes]
        users = data.rows.users[likes]
        train = np.flatnonzero(data.splits[likes] == 0)
        self._users = users
        first = train[np.concatenate([[True], users[train][1:] != users[train][:-1]])] if len(train) else train
        count = np.bincount(np.searchsorted(first, train, side="right") - 1, minlength=len(first))
        windows = -(-(count - 1) // length)  # a single like teaches nothing
        owner = np.repeat(np.arange(len(first)), windows)
        number = np.arange(len(owner)) - np.repeat(np.cumsum(windows) - windows, windows)  # 0 is the latest
        self._ends = first[owner] + count[owner] - number * length
        self._starts = np.maximum(first[owner], self._ends - length - 1)
        self.index = np.arange(len(owner))

    def take(self, index: Ints, seed: int) -> Sequences:
        start, end = self._starts[index], self._ends[index]
        at = end[:, None] + np.arange(-int((end - start).max()), 0)  # [B, T + 1]
        items = np.where(at >= start[:, None], self._data.liked[np.maximum(at, 0)], 0)
        return Sequences(*map(torch.from_numpy, (items, self._users[end - 1], self._times[end - 1])))
