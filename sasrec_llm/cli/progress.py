"""A run on screen: a bar for each stage on a terminal, a line for each epoch elsewhere. A plugin like any other."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from sasrec_llm.cli.output import prose, say
from sasrec_llm.hookspecs import hookimpl

if TYPE_CHECKING:
    from sasrec_llm.interfaces import StageInfo

SHOWN = ("auc", "uauc", "logloss", "hr@10", "ndcg@10", "ndcg@20")


class _State(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(str(task.fields["state"]))


class Watcher:
    def __init__(self) -> None:
        self._bars: Progress | None = None
        if prose.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description}"), BarColumn(bar_width=16), _State(), TimeRemainingColumn(compact=True),
                console=prose,
            )  # fmt: skip
        self._task: TaskID | None = None
        self._began = 0.0
        self._state = ""
        self._seen = 0

    def __enter__(self) -> Watcher:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars:
            self._bars.stop()

    @hookimpl
    def srl_stage_started(self, stage: StageInfo) -> None:
        self._began, self._state, self._seen = time.monotonic(), "", 0
        trains = ", ".join(f"{part} ({count:,})" for part, count in stage.train.items())
        title = f"  {stage.position} {stage.name:<10} trains {trains}"
        if self._bars:
            self._task = self._bars.add_task(title, total=stage.epochs * stage.steps, state="")
        else:
            say(title)

    @hookimpl
    def srl_logged(self, stage: StageInfo, step: int, values: Mapping[str, float]) -> None:
        self._seen = step
        if self._bars and self._task is not None:
            live = f"epoch {values['epoch']:.1f}/{stage.epochs} · {values['rows_per_second']:,.0f} rows/s"
            self._bars.update(self._task, completed=step, state=f"{live} · {self._state}" if self._state else live)

    @hookimpl
    def srl_evaluated(self, stage: StageInfo, split: str, metrics: Mapping[str, float]) -> None:
        self._state = f"{stage.metric} {metrics[stage.metric]:.4f}"
        if not self._bars:
            shown = " · ".join(f"{name} {metrics[name]:.4f}" for name in SHOWN if name in metrics)
            say(f"    epoch {metrics['epoch']:.0f}/{stage.epochs} · {split} {shown or self._state} · {self._clock()}")

    @hookimpl
    def srl_stage_finished(self, stage: StageInfo, checkpoint: Path) -> None:
        ended = "finished before" if stage.steps and not self._seen else "done"
        if self._bars and self._task is not None:
            total = self._seen or 1
            self._bars.update(
                self._task, total=total, completed=total, state=f"{ended} · {self._state} · {self._clock()}"
            )
        else:
            say(f"    {ended} · {self._clock()}")

    def _clock(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        return f"{minutes}:{seconds:02d}"
