"""Tells elsewhere what happens in a run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray.util.queue import Queue

from sasrec_llm.hookspecs import hookimpl
from sasrec_llm.interfaces import StageInfo

OFTEN = 0.2  # seconds between two steps that are told of, at least


class Relay:
    """Watches a run like any plugin, and puts (event, values) into a queue."""

    def __init__(self, told: Queue) -> None:
        self._told = told
        self._last = 0.0

    def _put(self, name: str, **values: Any) -> None:
        self._told.put((name, values))

    @hookimpl
    def srl_stage_started(self, stage: StageInfo) -> None:
        self._put("srl_stage_started", stage=stage)

    @hookimpl
    def srl_logged(self, stage: StageInfo, step: int, values: Mapping[str, float]) -> None:
        if time.monotonic() - self._last > OFTEN:
            self._last = time.monotonic()
            self._put("srl_logged", stage=stage, step=step, values=values)

    @hookimpl
    def srl_evaluated(self, stage: StageInfo, split: str, metrics: Mapping[str, float]) -> None:
        self._put("srl_evaluated", stage=stage, split=split, metrics=metrics)

    @hookimpl
    def srl_stage_finished(self, stage: StageInfo, checkpoint: Path) -> None:
        self._put("srl_stage_finished", stage=stage, checkpoint=checkpoint)
