"""Sequential recommenders joined with large language models.

What is named here is public; a plugin needs nothing else.

    from sasrec_llm import prepare, run, recommend

    prepare("ml-1m")
    print(run("recipes/sasrec.toml").figures()["auc"].value)
    print(recommend(history=["Heat (1995)", "Alien"]))
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
    from sasrec_llm.answering.loaded import LoadedRun, Recommendation
    from sasrec_llm.answering.questions import Question
    from sasrec_llm.api import evaluate, load_run, prepare, recommend, run
    from sasrec_llm.interfaces import (
        Examples,
        Histories,
        Ranked,
        Rows,
        RunInfo,
        Scored,
        Sequences,
        StageInfo,
        TrainingData,
    )

__all__ = [
    "Across",
    "BuildContext",
    "Component",
    "Examples",
    "Histories",
    "LoadedRun",
    "MetricComponent",
    "Objective",
    "Question",
    "Ranked",
    "Recommendation",
    "Rows",
    "RunInfo",
    "Scored",
    "Sequences",
    "Settings",
    "Source",
    "SrlError",
    "StageInfo",
    "StrategyComponent",
    "TrainingData",
    "UsageError",
    "evaluate",
    "hookimpl",
    "load_run",
    "prepare",
    "recommend",
    "run",
]


MODULES = {  # where what is not loaded by every command is
    **dict.fromkeys(("evaluate", "load_run", "prepare", "recommend", "run"), "api"),
    **dict.fromkeys(("LoadedRun", "Recommendation"), "answering.loaded"),
    "Question": "answering.questions",
}


def __getattr__(name: str) -> Any:
    """What batches are, and what computes, is loaded when somebody asks: most commands do not."""
    if name in __all__:
        return getattr(import_module(f"sasrec_llm.{MODULES.get(name, 'interfaces')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
