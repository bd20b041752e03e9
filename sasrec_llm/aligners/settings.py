"""Settings of the built-in aligners."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sasrec_llm.components import Settings


class MLPSettings(Settings):
    """Paper section 3.1.2."""

    tokens: int = Field(1, ge=1, description="K, soft tokens per vector (the paper's proj_token_num)")
    expansion: int = Field(5, ge=1, description="hidden width as a multiple of H")
    output: Literal["norm-matched", "zero"] = Field(
        "norm-matched", description="how soft tokens start: at the scale of real token embeddings, or as zeros"
    )
