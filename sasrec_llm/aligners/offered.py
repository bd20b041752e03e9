"""The aligners shipped here. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sasrec_llm.aligners.settings import CrossAttentionSettings, LinearSettings, MLPSettings
from sasrec_llm.components import Component


def aligners() -> Iterable[Component[Any, Any]]:
    yield Component(
        name="mlp",
        summary="two linear layers, K soft tokens (SASRecLLM eq. 8-9)",
        paper="SASRecLLM 2025, arXiv 2507.05733, section 3.1.2",
        settings=MLPSettings,
        build="sasrec_llm.aligners.mlp:build",
        needs={"encoder": frozenset({"vectors"})},
    )
    yield Component(
        name="linear",
        summary="one linear layer, K soft tokens",
        settings=LinearSettings,
        build="sasrec_llm.aligners.mlp:build_linear",
        needs={"encoder": frozenset({"vectors"})},
    )
    yield Component(
        name="cross-attention",
        summary="K learned queries over the encoder's states",
        paper="future work of SASRecLLM 2025, arXiv 2507.05733, section 6.2",
        settings=CrossAttentionSettings,
        build="sasrec_llm.aligners.cross_attention:build",
        needs={"encoder": frozenset({"states"})},
    )
