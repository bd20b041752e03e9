"""What a search tries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from sasrec_llm.components import Settings


class Range(Settings):
    """Numbers between two ends, both included."""

    low: float
    high: float
    log: bool = Field(False, description="tried evenly by their logarithm")
    whole: bool = Field(False, description="whole numbers only; default: where both ends are")


@dataclass(frozen=True, slots=True)
class Search:
    """`[search]`: what `srl tune` tries, by key path. `srl run` knows nothing of it."""

    space: Mapping[str, Range | tuple[Any, ...]]
    metric: str | None  # on validation; default: the last stage's
    startup: int  # trials that run to their end before any is cut short
