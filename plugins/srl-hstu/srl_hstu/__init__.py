"""HSTU, an encoder for sasrec_llm (Zhai et al. 2024, arXiv 2402.17152). Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from sasrec_llm import Component, Settings, hookimpl


class HSTUSettings(Settings):
    """Size of the network."""

    width: int = Field(64, ge=1, description="H, size of item and user vectors")
    blocks: int = Field(2, ge=1)
    heads: int = Field(1, ge=1)
    dropout: float = Field(0.2, ge=0, lt=1)
    max_length: int = Field(50, ge=1, description="T, items of the history that are read")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> HSTUSettings:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")
        return self


@hookimpl
def srl_encoders() -> Iterable[Component[Any, Any]]:
    yield Component(
        name="hstu",
        summary="attention without a softmax, gated (Zhai et al. 2024)",
        settings=HSTUSettings,
        build="srl_hstu.encoder:build",
        offers=frozenset({"vectors", "states", "causal", "table", "like", "next-item"}),
    )


@hookimpl
def srl_recipes() -> Iterable[Path]:
    yield Path(__file__).parent / "recipes"
