"""Every hook a plugin may implement. A plugin implements any of them as module-level functions marked `@hookimpl`.

A hook may be implemented with fewer arguments than stated here, so arguments can be added without breaking anyone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from sasrec_llm.components import Component, MetricComponent, Source, StrategyComponent

if TYPE_CHECKING:
    import typer

    from sasrec_llm.interfaces import Aligner, Backbone, RunInfo, Scorer, StageInfo, Strategy

PROJECT = "srl"  # entry point group and pluggy project name
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Offers:
    """Hooks that add choices. Called once, when a choice of that kind is first looked up."""

    @hookspec
    def srl_sources(self) -> Iterable[Source]:
        """Datasets: `srl data prepare NAME`."""
        return ()

    @hookspec
    def srl_encoders(self) -> Iterable[Component[Any, Scorer]]:
        """Choices of `[encoder] use`."""
        return ()

    @hookspec
    def srl_aligners(self) -> Iterable[Component[Any, Aligner]]:
        """Choices of `[aligner] use`."""
        return ()

    @hookspec
    def srl_backbones(self) -> Iterable[Component[Any, Backbone]]:
        """Choices of `[backbone] use`."""
        return ()

    @hookspec
    def srl_strategies(self) -> Iterable[StrategyComponent[Any, Strategy]]:
        """Choices of `[strategy] use`."""
        return ()

    @hookspec
    def srl_metrics(self) -> Iterable[MetricComponent]:
        """Names for `[evaluate] metrics`."""
        return ()

    @hookspec
    def srl_recipes(self) -> Iterable[Path]:
        """Folders of recipes for `srl recipes list`."""
        return ()

    @hookspec
    def srl_commands(self, app: typer.Typer) -> None:
        """Add commands to `srl`; names that exist already are refused."""


class Events:
    """Hooks that watch a run. They return nothing; one that fails is reported once and switched off.

    A `StoppedError` is no failure: it ends the run, which can go on later from its latest checkpoint.
    """

    @hookspec
    def srl_run_started(self, run: RunInfo) -> None:
        """`srl run` begins a recipe, or goes on with it. Trials of `srl tune` and dry runs tell of stages alone."""

    @hookspec
    def srl_stage_started(self, stage: StageInfo) -> None:
        """A stage begins, or continues after an interruption."""

    @hookspec
    def srl_logged(self, stage: StageInfo, step: int, values: Mapping[str, float]) -> None:
        """An optimiser step is done; `values` holds loss, lr, epoch and rows per second."""

    @hookspec
    def srl_evaluated(self, stage: StageInfo, split: str, metrics: Mapping[str, float]) -> None:
        """A split was scored."""

    @hookspec
    def srl_stage_finished(self, stage: StageInfo, checkpoint: Path) -> None:
        """A stage is done; `checkpoint` is the folder of its parts."""

    @hookspec
    def srl_run_finished(self, run: RunInfo, metrics: Mapping[str, Mapping[str, float | None]]) -> None:
        """All is in the run's folder; `metrics` are the recipe's own system on test: subset -> metric -> figure."""

    @hookspec
    def srl_run_failed(self, run: RunInfo, error: BaseException) -> None:
        """A run ends early. `error` is no `Exception` where a signal ended it; the same command may go on with it."""
