"""Settings of the built-in aligners."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sasrec_llm.components import Settings


class AlignerSettings(Settings):
    """What every aligner has."""

    tokens: int = Field(1, ge=1, description="K, soft tokens per vector (the paper's proj_token_num)")
    output: Literal["norm-matched", "zero"] = Field(
        "norm-matched", description="how soft tokens start: at the scale of real token embeddings, or as zeros"
    )


class LinearSettings(AlignerSettings):
    """The least an aligner can be."""


class MLPSettings(AlignerSettings):
    """Paper section 3.1.2."""

    expansion: int = Field(5, ge=1, description="hidden width as a multiple of H")


class CrossAttentionSettings(AlignerSettings):
    """Each soft token asks the whole history its own question."""

    width: int = Field(64, ge=1, description="width of queries, keys and values")
    heads: int = Field(4, ge=1)
