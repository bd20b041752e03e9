"""Sequential recommenders joined with large language models.

What is named here is public; a plugin needs nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sasrec_llm.components import (
    Across,
    BuildContext,
    Component,
    MetricComponent,
    Objective,
    Settings,
    Source,
    StrategyComponent,
)
from sasrec_llm.errors import SrlError, UsageError
from sasrec_llm.hookspecs import hookimpl

if TYPE_CHECKING:
    from sasrec_llm.interfaces import Examples, Histories, Ranked, Rows, Scored, Sequences, StageInfo, TrainingData

__all__ = [
    "Across",
    "BuildContext",
    "Component",
    "Examples",
    "Histories",
    "MetricComponent",
    "Objective",
    "Ranked",
    "Rows",
    "Scored",
    "Sequences",
    "Settings",
    "Source",
    "SrlError",
    "StageInfo",
    "StrategyComponent",
    "TrainingData",
    "UsageError",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    """What batches are is loaded when somebody asks: most commands do not."""
    if name in __all__:
        return getattr(import_module("sasrec_llm.interfaces"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
