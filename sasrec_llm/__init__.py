"""Sequential recommenders joined with large language models.

What is named here is public; a plugin needs nothing else.
"""

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
from sasrec_llm.errors import SrlError
from sasrec_llm.hookspecs import hookimpl
from sasrec_llm.interfaces import Examples, Histories, Ranked, Rows, Scored, Sequences

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
    "StrategyComponent",
    "hookimpl",
]
