"""A small world to try components in: 6 users, 20 items with titles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sasrec_llm.components import BuildContext
from sasrec_llm.data.training import first_seen
from sasrec_llm.interfaces import Examples, Histories, Rows, Sequences
from sasrec_llm.runs import Workspace

N_USERS, N_ITEMS = 6, 20
LISTS: tuple[list[int], ...] = ([], [1], [4, 2, 9], list(range(1, 16)))  # histories, from nothing to long


def context(**changes: Any) -> BuildContext:
    """A small world: 6 users, 20 items with titles."""
    texts = tuple(f"Item number {item} ({1980 + item})" for item in range(1, N_ITEMS + 1))
    found: dict[str, Any] = {
        "n_users": N_USERS,
        "n_items": N_ITEMS,
        "item_texts": texts,
        "seed": 3,
        "cache": Workspace.from_environment().cache / "testing",
        "data": SmallData(),
    }
    return BuildContext(**(found | changes))


def histories(lists: Sequence[Sequence[int]], length: int) -> Histories:
    """Item lists, oldest first, as a batch padded on the left to `length`."""
    items = torch.zeros(len(lists), length, dtype=torch.int64)
    for row, found in enumerate(lists):
        if found:
            items[row, length - len(found) :] = torch.tensor(list(found))
    lengths = torch.tensor([len(found) for found in lists])
    users = torch.arange(1, len(lists) + 1) % (N_USERS + 1)
    return Histories(items, lengths, users, torch.full((len(lists),), 10_000))


def examples() -> Examples:
    """Two candidates for each of `LISTS`, with answers of both kinds."""
    candidates = torch.tensor([[1, 2], [3, 4], [5, 5], [7, 20]])
    labels = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
    return Examples(histories(LISTS, 25), candidates, labels)


def sequences() -> Sequences:
    """Three, of different lengths, with a pattern that repeats."""
    items = torch.tensor([[1, 2, 3, 4, 5, 6], [0, 0, 7, 1, 2, 3], [3, 4, 5, 6, 7, 1]])
    return Sequences(items, torch.tensor([1, 2, 3]), torch.full((3,), 100))


def rows(seed: int = 0, count: int = 60) -> Rows:
    chance = np.random.default_rng(seed)
    return Rows(
        np.sort(chance.integers(1, N_USERS + 1, count)),
        chance.integers(1, N_ITEMS + 1, count),
        chance.integers(0, 2, count),
        np.arange(count),
    )


class SmallData:
    """Train and validation rows of the small world; a row's history is empty."""

    def __init__(self) -> None:
        self._rows = {"train": rows(0), "valid": rows(1)}
        liked = self._rows["train"]
        self.popularity = np.bincount(liked.items, weights=liked.labels, minlength=N_ITEMS + 1).astype(np.int64)
        self.first_seen = first_seen(liked, N_ITEMS)
        self.rated = False

    def rows(self, split: str = "train") -> Rows:
        return self._rows[split]

    def examples(self, split: str, index: NDArray[np.int64], length: int) -> Examples:
        found = self._rows[split]
        users, times = torch.from_numpy(found.users[index]), torch.from_numpy(found.times[index])
        empty = Histories(torch.zeros(len(index), length, dtype=torch.int64), torch.zeros_like(users), users, times)
        return Examples(
            empty, torch.from_numpy(found.items[index])[:, None], torch.from_numpy(found.labels[index]).float()[:, None]
        )


def one(given: Histories, row: int) -> Histories:
    """One row of a batch, alone."""
    return given.pick(slice(row, row + 1))
