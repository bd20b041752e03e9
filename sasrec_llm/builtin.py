"""Everything shipped with sasrec_llm, registered through the same hooks as any plugin. Each folder lists its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sasrec_llm.aligners.offered import aligners
from sasrec_llm.backbones.offered import backbones
from sasrec_llm.components import Component, MetricComponent, Source, StrategyComponent
from sasrec_llm.data.offered import sources
from sasrec_llm.encoders.offered import encoders
from sasrec_llm.evaluate.offered import metrics
from sasrec_llm.hookspecs import hookimpl
from sasrec_llm.strategies.offered import strategies


@hookimpl
def srl_sources() -> Iterable[Source]:
    yield from sources()


@hookimpl
def srl_encoders() -> Iterable[Component[Any, Any]]:
    yield from encoders()


@hookimpl
def srl_aligners() -> Iterable[Component[Any, Any]]:
    yield from aligners()


@hookimpl
def srl_backbones() -> Iterable[Component[Any, Any]]:
    yield from backbones()


@hookimpl
def srl_strategies() -> Iterable[StrategyComponent[Any, Any]]:
    yield from strategies()


@hookimpl
def srl_metrics() -> Iterable[MetricComponent]:
    yield from metrics()


@hookimpl
def srl_recipes() -> Iterable[Path]:
    here = Path(__file__).parent
    yield next(
        (folder for folder in (here / "_recipes", here.parent / "recipes") if folder.is_dir()), here / "_recipes"
    )
