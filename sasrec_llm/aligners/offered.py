"""The aligners shipped here. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sasrec_llm.aligners.settings import MLPSettings
from sasrec_llm.components import Component


def aligners() -> Iterable[Component[Any, Any]]:
    yield Component(
        name="mlp",
        summary="two linear layers, K soft tokens (SASRecLLM eq. 8-9)",
        settings=MLPSettings,
        build="sasrec_llm.aligners.mlp:build",
    )
