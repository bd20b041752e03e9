"""What flows: histories, questions with their answers, sequences, columns of rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Histories:
    """What is known of B users at the moment a question is asked about them."""

    items: Tensor  # [B, T] int64: the last T liked items, oldest first, left-padded with 0
    lengths: Tensor  # [B] int64: liked items so far, also those that T cuts off
    users: Tensor  # [B] int64
    times: Tensor  # [B] int64: the moment of the question, seconds
    liked_at: Tensor | None = None  # [B, T] int64: the moment of each item, seconds; None where nobody asked for it

    def last(self, n: int) -> Tensor:
        """At most the last n items, [B, min(T, n)]."""
        return self.items[:, -n:]

    def cut(self, n: int) -> Histories:
        """The same users, of whom at most the last n items are known."""
        liked_at = None if self.liked_at is None else self.liked_at[:, -n:]
        return replace(self, items=self.items[:, -n:], liked_at=liked_at)

    def pick(self, rows: slice | Tensor) -> Histories:
        """Some of the B users."""
        return self._each(lambda column: column[rows])

    def to(self, device: str) -> Histories:
        return self._each(lambda column: column.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Histories:
        columns = (getattr(self, name) for name in self.__slots__)
        return Histories(*(None if column is None else change(column) for column in columns))  # type: ignore[arg-type]


BESIDE = 80  # positions looked at that cost as much as all else of a position; measured with a width of 64
WHOLE = 128  # positions: sequences of one length come in multiples of it, for libraries that write code for each number


def by_length(items: Tensor, work: int) -> Iterator[tuple[Tensor, int]]:
    """The rows of items [B, T], left-padded with 0, from short to long: a few at a time, which are at most so much work
    together, and the length of their longest, which is 1 at least. A position is as much work as it looks at
    positions, and as BESIDE more."""
    lengths = (items != 0).sum(1)
    order = lengths.argsort(stable=True)
    sizes = lengths[order].clamp_(min=1).tolist()
    start = 0
    while start < len(sizes):
        end = start + 1
        while end < len(sizes) and (end + 1 - start) * sizes[end] * (sizes[end] + BESIDE) <= work:
            end += 1
        if end < len(sizes) and sizes[start] == sizes[end - 1]:
            whole = WHOLE // math.gcd(sizes[start], WHOLE)  # as many sequences as make a multiple
            end = start + ((end - start) // whole * whole or end - start)
        yield order[start:end], sizes[end - 1]
        start = end


@dataclass(frozen=True, slots=True)
class Examples:
    """Histories, the items asked about, and the answers."""

    histories: Histories
    targets: Tensor  # [B, C] int64
    labels: Tensor  # [B, C] float32, 1 = liked
    ratings: Tensor | None = None  # [B, C] float32, where the data has them

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def questions(self) -> int:
        """How many answers the loss is the mean of, or as many times as many."""
        return len(self)

    def pick(self, rows: slice) -> Examples:
        ratings = None if self.ratings is None else self.ratings[rows]
        return Examples(self.histories.pick(rows), self.targets[rows], self.labels[rows], ratings)

    def to(self, device: str) -> Examples:
        ratings = None if self.ratings is None else self.ratings.to(device)
        return Examples(self.histories.to(device), self.targets.to(device), self.labels.to(device), ratings)


@dataclass(frozen=True, slots=True)
class Sequences:
    """Items that B users liked one after the other, to learn every next one from those before it."""

    items: Tensor  # [B, T + 1] int64, oldest first, left-padded with 0
    users: Tensor  # [B] int64
    times: Tensor  # [B] int64: the moment of the last item

    @property
    def inputs(self) -> Histories:
        """[B, T]: all but the last item."""
        items = self.items[:, :-1]
        return Histories(items, (items != 0).sum(1), self.users, self.times)

    @property
    def targets(self) -> Tensor:
        """[B, T]: what followed each input; 0 where there was no input to follow."""
        return self.items[:, 1:] * (self.items[:, :-1] != 0)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def questions(self) -> int:
        return int((self.targets != 0).sum())

    def pick(self, rows: slice) -> Sequences:
        return Sequences(self.items[rows], self.users[rows], self.times[rows])

    def by_length(self, work: int) -> Iterator[Sequences]:
        """The sequences from short to long, a few at a time without the padding that all of them share."""
        for rows, length in by_length(self.items, work):
            yield Sequences(self.items[rows, -length:], self.users[rows], self.times[rows])

    def to(self, device: str) -> Sequences:
        return Sequences(self.items.to(device), self.users.to(device), self.times.to(device))


@dataclass(frozen=True, slots=True)
class Rows:
    """Interactions as columns, one entry a row; what a closed-form encoder is fitted on."""

    users: NDArray[np.int64]  # [rows], 1..n_users
    items: NDArray[np.int64]  # [rows], 1..n_items
    labels: NDArray[np.int64]  # [rows], 1 = liked
    times: NDArray[np.int64]  # [rows], seconds
    ratings: NDArray[np.float32] | None = None  # [rows], where the data has them


class TrainingData(Protocol):
    """What may be learned from: the train rows, and the validation rows for what is fitted on a model's answers."""

    popularity: NDArray[np.int64]  # [N + 1] likes in train
    first_seen: NDArray[np.int64]  # [N + 1] seconds of an item's first row in train; -1 where it has none
    rated: bool  # whether rows have ratings

    def rows(self, split: str = "train") -> Rows:
        """All rows of `train` or `valid`, ordered by user and time."""
        ...

    def examples(self, split: str, index: NDArray[np.int64], length: int) -> Examples:
        """The rows number `index` of a split as questions with one candidate each."""
        ...
