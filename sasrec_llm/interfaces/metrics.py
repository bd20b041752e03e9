"""What a metric sees, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows with their answers and a model's probabilities; what a metric of the task `like` sees."""

    users: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]  # of a like
    ratings: NDArray[np.float32] | None = None  # where the data has them
    expected: NDArray[np.float64] | None = None  # mean rating a model expects, if it answers in ratings
    said: NDArray[np.float64] | None = None  # the rating it finds most likely

    def take(self, rows: NDArray[np.int64], users: NDArray[np.int64]) -> Scored:
        """Some of the rows, under other user ids."""
        parts = (self.labels, self.probabilities, self.ratings, self.expected, self.said)
        return Scored(users, *(None if part is None else part[rows] for part in parts))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Ranked:
    """Where the item that came next stood among all items the user had not had, and what stood first; what a metric
    of the task `next-item` sees."""

    users: NDArray[np.int64]  # [rows]
    targets: NDArray[np.int64]  # [rows]
    ranks: NDArray[np.float64]  # [rows], 1 is best, ties by mid-rank
    top: NDArray[np.int64]  # [rows, K] items, best first; 0 where there were fewer
    popularity: NDArray[np.int64]  # [N + 1] likes in train

    def take(self, rows: NDArray[np.int64], users: NDArray[np.int64]) -> Ranked:
        """Some of the rows, under other user ids."""
        return Ranked(users, self.targets[rows], self.ranks[rows], self.top[rows], self.popularity)


class Statistic(Protocol):
    """A figure that knows what it would be if some users counted more often than others: what its interval comes from.

    U users stand in the order of their ids; evaluate/statistics.py has the ones there are.
    """

    @property
    def n_users(self) -> int: ...

    def at(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """How often each user counts [W, U] -> the figure for each of them [W], nan where it is not defined."""
        ...


class Metric(Protocol):
    """Of `Scored` for the task `like`, of `Ranked` for the task `next-item`."""

    def __call__(self, answers: Any) -> float | Statistic:
        """A number, nan where it is not defined, such as AUC of one class; or, for a quick interval, a `Statistic`."""
        ...
