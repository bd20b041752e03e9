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


def reasons(
    strategy: Strategy,
    recommender: Recommender,
    asked: Histories,
    history: Sequence[int],
    items: Sequence[int],
    catalogue: Catalogue,
) -> list[Reason]:
    """Of one person's history and each of the items."""
    near = _nearest(strategy, recommender, history, items, catalogue, str(asked.items.device))
    asks = scorer(recommender)
    prompts = [""] * len(items)
    if isinstance(asks, Prompted) and items:
        (prompts,) = asks.prompts_for(asked, torch.tensor([list(items)]))
    return [Reason(*found) for found in zip(near, prompts, strict=True)]


def _nearest(
    strategy: Strategy,
    recommender: Recommender,
    history: Sequence[int],
    items: Sequence[int],
    catalogue: Catalogue,
    device: str,
) -> list[tuple[Near, ...]]:
    liked = list(dict.fromkeys(history))
    known: tuple[object, ...] = (strategy.parts().get("encoder"), recommender)
    owner = next((one for one in known if isinstance(one, Vectored)), None)
    if owner is None or not liked or not items:
        return [()] * len(items)
    mine = F.normalize(owner.item_vectors(torch.tensor(items, device=device)).float(), dim=1)
    theirs = F.normalize(owner.item_vectors(torch.tensor(liked, device=device)).float(), dim=1)
    best = (mine @ theirs.T).topk(min(NEAREST, len(liked)), dim=1)
    return [
        tuple(Near(catalogue.title_of(liked[place]), likeness) for place, likeness in zip(places, values, strict=True))
        for places, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]
