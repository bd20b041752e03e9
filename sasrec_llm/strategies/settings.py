"""Settings of the built-in strategies."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sasrec_llm.components import Settings


class EncoderOnlySettings(Settings):
    """Nothing to set."""


class HistorySettings(Settings):
    """How a user's history is put into words."""

    template: str = Field(description="name of a template shipped here, or the path of a file")
    titles: int = Field(10, ge=1, description="liked items named in the prompt, the latest")
    no_titles: str = Field("unknown", description="what stands for an empty history")
    max_tokens: int = Field(1024, ge=32, description="longest prompt; the oldest titles are dropped first")


class PromptSettings(HistorySettings):
    """The yes/no question of paper section 3.1.3.1."""

    template: str = Field("paper", description="`paper`, or the path of a template file")
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


class SeqPromptSettings(HistorySettings):
    """LLMSeqPrompt, arXiv 2402.01339: the language model writes the next title."""

    template: str = Field("next-title", description="`next-title`, or the path of a template file")
    title_tokens: int = Field(64, ge=1, description="tokens of a title that are written; what is longer is cut there")
    beams: int = Field(20, ge=1, description="beginnings of titles followed at once; at least as many as items asked")
    length_penalty: float = Field(
        1.0, ge=0, description="log-probability / tokens ^ this: 1 is the mean, 0 the sum, which prefers short titles"
    )
    share: Literal["vocabulary", "catalogue"] = Field(
        "vocabulary",
        description="what a token's probability is a share of: all tokens, or those that go on to some title",
    )
