"""What the two strategies share that ask a language model yes or no: parts, objectives, reranking."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from sasrec_llm.components import BuildContext, Task
from sasrec_llm.errors import ComponentError, UsageError
from sasrec_llm.interfaces import (
    Aligner,
    Backbone,
    Examples,
    Part,
    Recommender,
    Scorer,
    Sequences,
    TrainingData,
)
from sasrec_llm.strategies.asking.yes_no import YesNo
from sasrec_llm.strategies.learning import encoder_loss, fit_encoder
from sasrec_llm.strategies.ranking import Reranked
from sasrec_llm.strategies.settings import PromptSettings

OF_ENCODER = ("like", "next-item", "fit")


class Asking:
    """Objectives of the encoder by itself, and one for each way of asking; the encoder retrieves what is reranked."""

    def __init__(
        self,
        *,
        backbone: Backbone,
        asks: Mapping[str, YesNo],
        task: Task,
        n_items: int,
        candidates: int,
        encoder: Scorer | None = None,
        aligner: Aligner | None = None,
    ) -> None:
        """`asks`: objective, or "objective:ablation", -> how it asks."""
        self.encoder = encoder
        self._parts: dict[str, Part | None] = {"encoder": encoder, "aligner": aligner, "lora": backbone.lora}
        self._asks = asks
        self._recommenders: dict[str, Recommender] = {
            name: Reranked(retriever=encoder, scorer=ask, n=candidates, n_items=n_items)
            if encoder and task == "next-item"
            else ask
            for name, ask in asks.items()
        }
        titles = max(ask.prompts.titles for ask in asks.values())
        self.history_length = max(encoder.history_length if encoder else 0, titles)

    def parts(self) -> Mapping[str, Part]:
        return {name: part for name, part in self._parts.items() if part is not None}

    def recommender(self, objective: str, ablation: str = "") -> Recommender:
        if objective in OF_ENCODER:
            return self._encoder()
        asked = "text" if objective == "mixed" else objective  # before the slots mean anything, words are asked
        return self._recommenders[f"{asked}:{ablation}" if ablation else asked]

    def loss(self, objective: str, batch: Examples | Sequences) -> Tensor:
        if objective in OF_ENCODER:
            return encoder_loss(self._encoder(), batch)
        if not isinstance(batch, Examples):
            raise ComponentError(f"objective {objective!r} learns from rows")
        if objective == "mixed":
            words, slots = halves(batch)
            return (self._asks["text"].loss(words) + self._asks["hybrid"].loss(slots)) / 2
        return self._asks[objective].loss(batch)

    def fit(self, objective: str, data: TrainingData) -> None:
        fit_encoder(self._encoder(), data)

    def _encoder(self) -> Scorer:
        if self.encoder is None:
            raise ComponentError("this objective needs an encoder")
        return self.encoder


def check_ratings(settings: PromptSettings, context: BuildContext) -> None:
    """Answers in ratings need ratings to learn from and to be measured by."""
    if settings.ratings and not (context.learned.data and context.learned.data.rated):
        raise UsageError(
            f"strategy.answers asks for ratings, {settings.answers}; this data has none for the task {context.task!r}",
            hint="Prepare it with a rating column (--rating NAME), or ask yes or no",
        )
    sides = {rating >= context.like_at for rating in settings.ratings}
    if len(sides) == 1:
        raise UsageError(f"strategy.answers needs ratings on both sides of {context.like_at:g}, where likes begin")


def halves(batch: Examples) -> tuple[Examples, Examples]:
    """Two batches of half the rows; a single row is in both."""
    middle = max(len(batch.targets) // 2, 1)
    return batch.pick(slice(0, middle)), batch.pick(slice(min(middle, len(batch.targets) - 1), None))
