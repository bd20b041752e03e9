"""Figures as functions of how often each user counts, so that an interval costs a matrix product and not a thousand
evaluations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_llm.interfaces import Ranked, Scored, Statistic

Floats = NDArray[np.float64]
CELLS = 4_000_000  # numbers of a block of weights that are held at a time
CACHED = 250_000  # and of weights by rows: what a core keeps close


class Sums:
    """combine(Σ_u w_u s_u): whatever is known from sums over users, such as a mean over rows."""

    def __init__(
        self, users: NDArray[np.int64], columns: Sequence[Floats], combine: Callable[[Floats], Floats]
    ) -> None:
        """`columns`: S of them, [rows]; combine: sums [W, S] -> [W]."""
        known, index = np.unique(users, return_inverse=True)
        self.n_users = len(known)
        self._sums = np.stack([np.bincount(index, column, self.n_users) for column in columns], axis=1)  # [U, S]
        self._combine = combine

    def at(self, weights: Floats) -> Floats:
        return self._combine(weights @ self._sums)


def share(part: Floats, whole: Floats) -> Floats:
    """part / whole, nan where there is nothing to divide by."""
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole > 0)  # type: ignore[no-any-return]


def mean(users: NDArray[np.int64], values: Floats, counts: Floats | None = None) -> Sums:
    """Σ values / Σ counts over the rows; counts are 1 unless given."""
    ones = np.ones(len(users)) if counts is None else counts
    return Sums(users, [values, ones], lambda sums: share(sums[:, 0], sums[:, 1]))


class Separation:
    """AUC over rows that count as often as their user does:

    AUC = Σ_{i liked, j not} w_i w_j ([s_i > s_j] + [s_i = s_j] / 2) / (Σ_{i liked} w_i · Σ_{j not} w_j)
    """

    def __init__(self, users: NDArray[np.int64], labels: NDArray[np.int64], scores: Floats) -> None:
        known, index = np.unique(users, return_inverse=True)
        order = np.argsort(scores, kind="stable")
        self.n_users = len(known)
        self._users, self._likes, ascending = index[order], labels[order] == 1, scores[order]
        self._ties = np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]])[: len(order)])

    def at(self, weights: Floats) -> Floats:
        if not len(self._users):
            return np.full(len(weights), np.nan)
        step = max(1, CACHED // len(self._users))
        return np.concatenate([self._block(weights[start : start + step]) for start in range(0, len(weights), step)])

    def _block(self, weights: Floats) -> Floats:
        of_row = weights[:, self._users]  # [W, rows], rows by ascending score
        likes = np.add.reduceat(of_row * self._likes, self._ties, axis=1)  # [W, distinct scores]
        others = np.add.reduceat(of_row * ~self._likes, self._ties, axis=1)
        below = np.cumsum(others, axis=1) - others
        return share((likes * (below + others / 2)).sum(1), likes.sum(1) * others.sum(1))


@dataclass(frozen=True, slots=True)
class Fixed:
    """A figure that drawing users again says nothing about; it has no interval."""

    value: float
    n_users: int

    def at(self, weights: Floats) -> Floats:
        return np.where((weights == 1).all(1), self.value, np.nan)


class Plain:
    """A metric that is only a number: measured again on the rows of the users drawn, each draw a user of its own."""

    def __init__(self, measure: Callable[[Any], float], answers: Scored | Ranked) -> None:
        known, self._index = np.unique(answers.users, return_inverse=True)
        self.n_users = len(known)
        self._measure, self._answers = measure, answers

    def at(self, weights: Floats) -> Floats:
        return np.array([self._of(count) for count in weights.astype(np.int64)])

    def _of(self, count: NDArray[np.int64]) -> float:
        often = count[self._index]
        rows = np.repeat(np.arange(len(often)), often)
        copy = np.arange(len(rows)) - np.repeat(np.cumsum(often) - often, often)
        return self._measure(self._answers.take(rows, self._index[rows] + copy * self.n_users))


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of a figure over runs with several seeds."""

    parts: Sequence[Statistic]

    @property
    def n_users(self) -> int:
        return self.parts[0].n_users

    def at(self, weights: Floats) -> Floats:
        return np.mean([part.at(weights) for part in self.parts], axis=0)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Folds:
    """The mean of a figure over folds of users; their users side by side."""

    parts: Sequence[Statistic]

    @property
    def n_users(self) -> int:
        return sum(part.n_users for part in self.parts)

    def at(self, weights: Floats) -> Floats:
        cuts = np.cumsum([part.n_users for part in self.parts])[:-1]
        each = [part.at(of) for part, of in zip(self.parts, np.split(weights, cuts, axis=1), strict=True)]
        return np.mean(each, axis=0)  # type: ignore[no-any-return]


def statistic(measure: Callable[[Any], float | Statistic], answers: Scored | Ranked) -> Statistic:
    found = measure(answers)
    if not isinstance(found, (int, float)):
        return found
    if np.isnan(found):
        return Fixed(found, len(np.unique(answers.users)))
    return Plain(measure, answers)  # type: ignore[arg-type]


def value(found: Statistic) -> float:
    """The figure itself: every user counts once."""
    return float(found.at(np.ones((1, found.n_users)))[0])
