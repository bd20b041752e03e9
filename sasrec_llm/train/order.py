"""Which rows a step trains on: a function of seed and step alone, so nothing of it needs saving."""

from __future__ import annotations

import functools

import numpy as np

from sasrec_llm.data.interactions import Ints
from sasrec_llm.durable import digest


class Order:
    """Every pass over the rows (or sequences) is a new permutation; a step is the next `batch_size` of it."""

    def __init__(self, *, rows: Ints, batch_size: int, seed: int, stage: str) -> None:
        self._rows = rows
        self._batch = batch_size
        self._key = int(digest([seed, stage])[:12], 16)
        self.steps_per_pass = -(-len(rows) // batch_size)
        self._permutation = functools.lru_cache(maxsize=1)(self._permute)

    def _permute(self, number: int) -> Ints:
        return np.random.default_rng([self._key, number]).permutation(self._rows)

    def rows(self, step: int) -> Ints:
        number, position = divmod(step, self.steps_per_pass)
        start = position * self._batch
        return self._permutation(number)[start : start + self._batch]

    def seed(self, step: int) -> int:
        """Dropout and drawn items, too, depend on the step alone."""
        return (self._key * 1_000_003 + step) % 2**63
