"""Everything shipped with sasrec_llm, registered through the same hooks as any plugin. Each folder lists its own,
which is read when somebody asks for that kind."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sasrec_llm.components import Component, MetricComponent, Source, StrategyComponent
from sasrec_llm.hookspecs import hookimpl


@hookimpl
def srl_sources() -> Iterable[Source]:
    from sasrec_llm.data.offered import sources

    yield from sources()


@hookimpl
def srl_encoders() -> Iterable[Component[Any, Any]]:
    from sasrec_llm.encoders.offered import encoders

    yield from encoders()


@hookimpl
def srl_aligners() -> Iterable[Component[Any, Any]]:
    from sasrec_llm.aligners.offered import aligners

    yield from aligners()


@hookimpl
def srl_backbones() -> Iterable[Component[Any, Any]]:
    from sasrec_llm.backbones.offered import backbones

    yield from backbones()


@hookimpl
def srl_strategies() -> Iterable[StrategyComponent[Any, Any]]:
    from sasrec_llm.strategies.offered import strategies

    yield from strategies()


@hookimpl
def srl_metrics() -> Iterable[MetricComponent]:
    from sasrec_llm.evaluation.offered import metrics

    yield from metrics()


@hookimpl
def srl_recipes() -> Iterable[Path]:
    here = Path(__file__).parent
    yield next(
        (folder for folder in (here / "_recipes", here.parent / "recipes") if folder.is_dir()), here / "_recipes"
    )
