"""Why an item is recommended: what it is near to, and what a language model was asked about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from sasrec_llm.answering.catalogue import Catalogue
from sasrec_llm.answering.ranker import scorer
from sasrec_llm.interfaces import Histories, Prompted, Recommender, Strategy, Vectored

NEAREST = 3


@dataclass(frozen=True, slots=True)
class Near:
    """A liked item, and the cosine of its vector with the recommended one's."""

    title: str
    likeness: float


@dataclass(frozen=True, slots=True)
class Reason:
    near: tuple[Near, ...] = ()  # nearest first; none where the system has no item vectors
    prompt: str = ""  # none where no language model was asked


class Explainer:
    """Knows of what there are vectors, and who is asked."""

    def __init__(self, strategy: Strategy, recommender: Recommender, catalogue: Catalogue) -> None:
        known: tuple[object, ...] = (strategy.parts().get("encoder"), recommender)
        self._vectors = next((one for one in known if isinstance(one, Vectored)), None)
        asks = scorer(recommender)
        self._asks = asks if isinstance(asks, Prompted) else None
        self._catalogue = catalogue

    def reasons(self, asked: Histories, history: Sequence[int], items: Sequence[int]) -> list[Reason]:
        """Of one person's history and each of the items."""
        near = self._nearest(history, items, str(asked.items.device))
        prompts = [""] * len(items)
        if self._asks and items:
            (prompts,) = self._asks.prompts_for(asked, torch.tensor([list(items)]))
        return [Reason(*found) for found in zip(near, prompts, strict=True)]

    def _nearest(self, history: Sequence[int], items: Sequence[int], device: str) -> list[tuple[Near, ...]]:
        liked = list(dict.fromkeys(history))
        if self._vectors is None or not liked or not items:
            return [()] * len(items)
        vectors = F.normalize(self._vectors.item_vectors(torch.tensor([*items, *liked], device=device)).float(), dim=1)
        likeness = vectors[: len(items)] @ vectors[len(items) :].T
        best = likeness.topk(min(NEAREST, len(liked)), dim=1)
        title = self._catalogue.title_of
        return [
            tuple(Near(title(liked[place]), value) for place, value in zip(places, values, strict=True))
            for places, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]
