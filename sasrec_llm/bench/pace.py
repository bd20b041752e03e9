"""How fast a stage trains, watched from outside: the real loop, stopped when enough was seen."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping

import numpy as np

from sasrec_llm.errors import StoppedError
from sasrec_llm.hookspecs import hookimpl
from sasrec_llm.interfaces import StageInfo

WINDOWS = 4


class Pace:
    """Steps a second, as the median of a few windows after a warm-up as long as one of them."""

    def __init__(self, seconds: float) -> None:
        self.window = seconds / (WINDOWS + 1)
        self._moments: list[float] = []

    @hookimpl
    def srl_logged(self, stage: StageInfo, step: int, values: Mapping[str, float]) -> None:
        self._moments.append(time.monotonic())
        if self._moments[-1] - self._moments[0] > self.window * (WINDOWS + 1) and len(self._moments) > WINDOWS + 1:
            raise StoppedError("enough was seen")

    @property
    def steps_per_second(self) -> float:
        moments = np.array(self._moments)
        if len(moments) < 2 or not self.window:
            return float("nan")
        steps = np.interp(moments[0] + self.window * np.arange(1, WINDOWS + 2), moments, np.arange(len(moments)))
        return float(statistics.median(np.diff(steps)) / self.window)
