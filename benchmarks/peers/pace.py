"""How fast a loop of steps was: the median of its windows, the first seconds left out."""

from __future__ import annotations

import statistics
import time
from bisect import bisect_left
from itertools import pairwise

WINDOW, WINDOWS, WARM_UP = 5.0, 4, 5.0  # seconds


class Pace:
    def __init__(self) -> None:
        self.moments, self.done = [time.monotonic()], [0]

    def step(self, targets: int) -> bool:
        """Whether to go on."""
        self.moments.append(time.monotonic())
        self.done.append(self.done[-1] + targets)
        return self.moments[-1] - self.moments[0] <= WARM_UP + WINDOW * WINDOWS

    def targets_per_second(self) -> float:
        edges = [self.moments[0] + WARM_UP + WINDOW * number for number in range(WINDOWS + 1)]
        at = [self.done[min(bisect_left(self.moments, edge), len(self.done) - 1)] for edge in edges]
        return statistics.median(after - before for before, after in pairwise(at)) / WINDOW
