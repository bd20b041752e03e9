"""Settings of the built-in strategies."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sasrec_llm.components import Settings


class EncoderOnlySettings(Settings):
    """Nothing to set."""


class PromptSettings(Settings):
    """The yes/no question of paper section 3.1.3.1."""

    template: str = Field("paper", description="`paper`, or the path of a template file")
    titles: int = Field(10, ge=1, description="liked items named in the prompt, the latest")
    no_titles: str = Field("unknown", description="what stands for an empty history")
    max_tokens: int = Field(1024, ge=32, description="longest prompt; the oldest titles are dropped first")
    answers: tuple[str, str] = Field((" Yes", " No"), description="the two answers, as they follow the prompt")
    probability: Literal["softmax", "yes-only"] = Field(
        "softmax", description="softmax over the two answers, or sigmoid of the first answer's logit alone"
    )


class TextPromptSettings(PromptSettings):
    """ICL when untrained, TALLRec when its LoRA is trained."""


class TokenMappingSettings(PromptSettings):
    """SASRecLLM, paper section 3.1."""
