"""Records the runs of srl in MLflow. MLflow is imported when a run begins: other commands do not wait for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sasrec_llm import hookimpl

if TYPE_CHECKING:
    from sasrec_llm import RunInfo, StageInfo
    from srl_mlflow.record import Record

_open: dict[str, Record] = {}  # by the run's name; trials and dry runs have stages, but no record


@hookimpl
def srl_run_started(run: RunInfo) -> None:
    from srl_mlflow.record import Record

    _open[run.name] = Record(run)


@hookimpl
def srl_stage_started(stage: StageInfo) -> None:
    if record := _open.get(stage.run):
        record.begin(stage)


@hookimpl
def srl_logged(stage: StageInfo, step: int, values: Mapping[str, float]) -> None:
    if record := _open.get(stage.run):
        record.log(stage, step, values)


@hookimpl
def srl_evaluated(stage: StageInfo, split: str, metrics: Mapping[str, float]) -> None:
    if record := _open.get(stage.run):
        record.evaluated(stage, split, metrics)


@hookimpl
def srl_stage_finished(stage: StageInfo, checkpoint: Path) -> None:
    if record := _open.get(stage.run):
        record.keep(stage, checkpoint)


@hookimpl
def srl_run_finished(run: RunInfo, metrics: Mapping[str, Mapping[str, float | None]]) -> None:
    if record := _open.pop(run.name, None):
        record.finish(metrics)


@hookimpl
def srl_run_failed(run: RunInfo, error: BaseException) -> None:
    if record := _open.pop(run.name, None):
        record.end("FAILED" if isinstance(error, Exception) else "KILLED")
