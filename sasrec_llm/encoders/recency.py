"""How much an item of the history counts, by how long ago it came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST = 1e-4  # an item that has faded away is still a shared item

# Of an item in the history: age 1 is the newest, and length is that of the history as read.
WEIGHTING: Mapping[str, Callable[[Ints, Ints], Floats]] = {
    "same": lambda age, length: np.ones(len(age)),
    "linear": lambda age, length: np.maximum(1 - 0.1 * (age - 1), LEAST),
    "log": lambda age, length: 1 / np.log10(age + 0.7),
    "div": lambda age, length: (length - age + 1) / length,
    "quadratic": lambda age, length: ((length - age + 1) / length) ** 2,
    "harmonic": lambda age, length: 1 / age,
}

# Of a neighbour session, by the age of the newest item that it shares with the history.
WEIGHTING_SCORE: Mapping[str, Callable[[Ints], Floats]] = {
    "same": lambda age: np.ones(len(age)),
    "linear": lambda age: np.maximum(1 - 0.1 * age, LEAST),
    "log": lambda age: 1 / np.log10(age + 1.7),
    "div": lambda age: 1 / age,
    "quadratic": lambda age: 1 / age**2,
}


@dataclass(frozen=True, slots=True)
class Distinct:
    """The items of B histories, each once, at its newest place; ordered by history and item."""

    rows: Ints  # [entries]
    items: Ints  # [entries]
    ages: Ints  # [entries]
    lengths: Ints  # [entries]: of the history that the entry is of
    shape: tuple[int, int]  # (B, N + 1)

    def matrix(self, values: NDArray[Any]) -> Any:
        """[entries] -> CSR [B, N + 1]"""
        offsets = np.searchsorted(self.rows, np.arange(self.shape[0] + 1))
        return csr_array((values, self.items, offsets), shape=self.shape)


def distinct(items: Ints, n_items: int) -> Distinct:
    """Histories [B, T], left-padded with 0."""
    rows, places = np.nonzero(items)
    found = items[rows, places]
    keys = (rows * (n_items + 1) + found)[::-1]  # the newest of each history first
    newest = len(keys) - 1 - np.unique(keys, return_index=True)[1]
    lengths = np.count_nonzero(items, axis=1)
    return Distinct(
        rows=rows[newest],
        items=found[newest],
        ages=items.shape[1] - places[newest],
        lengths=lengths[rows[newest]],
        shape=(len(items), n_items + 1),
    )
