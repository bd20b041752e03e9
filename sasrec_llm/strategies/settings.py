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
    candidates: int = Field(20, ge=1, description="items of the encoder's ranking that the language model reranks")
    probability: Literal["softmax", "yes-only"] = Field(
        "softmax", description="softmax over the two answers, or sigmoid of the first answer's logit alone"
    )


class TextPromptSettings(PromptSettings):
    """ICL when untrained, TALLRec when its LoRA is trained."""

    shots: int = Field(0, ge=0, description="solved examples of other users that stand before the question")


class TokenMappingSettings(PromptSettings):
    """SASRecLLM, paper section 3.1."""

    history_slots: bool = Field(False, description="a slot for every item of the history, behind its title")


class LLM2SequentialSettings(Settings):
    """LLM2SASRec, LLM2BERT4Rec, LLM2GRU4Rec: arXiv 2402.01339, section 3.3."""

    rescale: bool = Field(
        True, description="bring the reduced vectors to the scale the table would start at; false: as the authors' code"
    )


class LLMSeqSimSettings(Settings):
    """arXiv 2402.01339, section 3.1."""

    session: Literal[
        "last", "mean", "constant-linear", "scaling-linear", "scaling-quadratic", "log", "harmonic", "harmonic-squared"
    ] = Field("harmonic", description="how the items of a session count: the last alone, all alike, or less with age")
    similarity: Literal["cosine", "dot"] = "cosine"
    pca: int | None = Field(None, ge=1, description="dimensions the embeddings are reduced to; default: as they are")
    max_length: int = Field(50, ge=1, description="items of the session that count, the latest")
