"""The user bootstrap: how much a figure, or the difference of two, owes to which users happened to be asked.

Rows of a user are alike, so users are drawn, not rows: intervals over rows are about half as wide as they should be
where users have many. Every system is measured on the same draws, so that differences are paired.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np

from sasrec_llm.evaluation.statistics import CELLS, Floats, value
from sasrec_llm.interfaces import Statistic

DRAWS = 1000
LEVEL = 0.95
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its 95 % interval. None where it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    sd: float | None = None  # over seeds

    def dump(self) -> dict[str, Any]:
        return {key: found for key, found in asdict(self).items() if key != "sd" or found is not None}


@dataclass(frozen=True, slots=True)
class Difference:
    """Ours less theirs on the same draws."""

    value: float | None
    low: float | None
    high: float | None
    p: float | None  # two-sided: how rarely chance among users turns the sign

    def dump(self) -> dict[str, Any]:
        return asdict(self)


def weights(n_users: int, seed: int = 0) -> Iterator[Floats]:
    """How often each user is drawn, [W, U] in blocks, `DRAWS` in all; the same for the same number of users."""
    chance = np.random.default_rng([seed, n_users])
    step = max(1, min(DRAWS, CELLS // max(n_users, 1)))
    for start in range(0, DRAWS, step):
        count = min(step, DRAWS - start)
        drawn = chance.integers(0, n_users, (count, n_users)) + n_users * np.arange(count)[:, None]
        yield np.bincount(drawn.ravel(), minlength=count * n_users).reshape(count, n_users).astype(np.float64)


def resample(statistics: Mapping[K, Statistic]) -> dict[K, Floats]:
    """Each figure on every draw [DRAWS]. All of them are about the same users."""
    n_users = next(iter(statistics.values())).n_users if statistics else 0
    if n_users == 0:
        return {key: np.empty(0) for key in statistics}
    blocks: dict[K, list[Floats]] = {key: [] for key in statistics}
    for block in weights(n_users):
        for key, found in statistics.items():
            blocks[key].append(found.at(block))
    return {key: np.concatenate(parts) for key, parts in blocks.items()}


def figure(found: Statistic, draws: Floats, sd: float | None = None) -> Figure:
    low, high = interval(draws)
    return Figure(known(value(found)), low, high, sd)


def difference(ours: Statistic, theirs: Statistic, our_draws: Floats, their_draws: Floats) -> Difference:
    """p = 2 min(P(d <= 0), P(d >= 0)) over the draws, the observed one counted among them."""
    gain = our_draws - their_draws
    gain = gain[np.isfinite(gain)]
    low, high = interval(gain)
    if low is None:
        return Difference(known(value(ours) - value(theirs)), None, None, None)
    tail = min(np.count_nonzero(gain <= 0), np.count_nonzero(gain >= 0))
    return Difference(known(value(ours) - value(theirs)), low, high, min(1.0, 2 * (tail + 1) / (len(gain) + 1)))


def interval(draws: Floats) -> tuple[float | None, float | None]:
    """The middle 95 % of the draws in which the figure is defined; none if it is not in most of them."""
    finite = draws[np.isfinite(draws)]
    if 2 * len(finite) <= len(draws) or not len(finite):
        return None, None
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def known(number: float) -> float | None:
    return number if np.isfinite(number) else None
