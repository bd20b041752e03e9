"""Settings of the built-in strategies."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

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
    answers: list[str] = Field(
        [" Yes", " No"], min_length=2, description="yes and no, as they follow the prompt; or more: ratings, as numbers"
    )
    candidates: int = Field(20, ge=1, description="items of the encoder's ranking that the language model reranks")
    probability: Literal["softmax", "yes-only"] = Field(
        "softmax", description="softmax over the two answers, or sigmoid of the first answer's logit alone"
    )

    @property
    def ratings(self) -> tuple[float, ...]:
        """What each answer stands for; nothing for yes and no."""
        return tuple(float(answer) for answer in self.answers) if len(self.answers) > 2 else ()

    @model_validator(mode="after")
    def _more_than_two_are_numbers(self) -> PromptSettings:
        try:
            ratings = self.ratings
        except ValueError:
            raise ValueError(
                f"more than two answers must be numbers, such as ' 1' to ' 5' (got {self.answers})"
            ) from None
        if ratings and self.probability == "yes-only":
            raise ValueError("probability yes-only is for yes and no")
        return self


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
    neighbours: int = Field(
        1,
        ge=0,
        description="trained items, nearest in text, whose mean vector an unseen item takes; 0: it keeps its own",
    )


class LLMSeqSimSettings(Settings):
    """arXiv 2402.01339, section 3.1."""

    session: Literal[
        "last", "mean", "constant-linear", "scaling-linear", "scaling-quadratic", "log", "harmonic", "harmonic-squared"
    ] = Field("harmonic", description="how the items of a session count: the last alone, all alike, or less with age")
    similarity: Literal["cosine", "dot"] = "cosine"
    pca: int | None = Field(None, ge=1, description="dimensions the embeddings are reduced to; default: as they are")
    max_length: int = Field(50, ge=1, description="items of the session that count, the latest")


class EnsembleSettings(Settings):
    """Finished runs, all with the same say."""

    runs: list[str] = Field(min_length=2, description="folders or names of finished runs on the same data")
    combine: Literal["mean", "rank-mean"] = Field(
        "mean",
        description="mean of probabilities (like) or of standardised scores (next-item); or of ranks: among the "
        "validation rows (like) or the catalogue (next-item)",
    )


class LateFusionSettings(Settings):
    """Finished runs and simple features, weighed by a model fitted on the validation rows."""

    runs: list[str] = Field(min_length=1, description="folders or names of finished runs on the same data")
    model: Literal["logistic", "boosting"] = "logistic"
    features: list[Literal["item-count", "history-length", "item-age"]] = Field(
        ["item-count", "history-length", "item-age"], description="what is weighed beside the runs' scores"
    )
    candidates: int = Field(100, ge=1, description="items of the runs' mean ranking that are ranked anew (next-item)")


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
