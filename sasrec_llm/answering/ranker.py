"""A recommender that can rank the catalogue at a bearable price."""

from __future__ import annotations

import torch
from torch import Tensor

from sasrec_llm.interfaces import Histories, Lister, Prompted, Ranker, Recommender, Strategy, TrainingData
from sasrec_llm.strategies.ranking import Reranked


class MostLiked:
    """Names what a slow recommender is asked about, where nothing else does: the items with most likes in train."""

    def __init__(self, likes: Tensor) -> None:
        self.likes = likes.float()  # [N + 1]

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        return self.likes.to(candidates.device)[candidates]

    def score_all(self, histories: Histories) -> Tensor:
        return self.likes.to(histories.items.device).expand(len(histories.users), -1)


def scorer(recommender: Recommender) -> Recommender:
    """What scores the items that are shown: of what reranks, the slow one."""
    return recommender.scorer if isinstance(recommender, Reranked) else recommender


def ranker(strategy: Strategy, objective: str, training: TrainingData, n_items: int, candidates: int) -> Recommender:
    """What the finished system answers with. A language model that reads a prompt for every item is asked about the
    best `candidates` of its encoder, or of popularity where it has none."""
    found = strategy.recommender(objective)
    if isinstance(found, Reranked):
        return Reranked(retriever=found.retriever, scorer=found.scorer, n=candidates, n_items=n_items)
    if isinstance(found, (Ranker, Lister)) or not isinstance(found, Prompted):
        return found
    encoder = strategy.parts().get("encoder")
    retriever = encoder if hasattr(encoder, "score") else MostLiked(torch.from_numpy(training.popularity))
    return Reranked(retriever=retriever, scorer=found, n=candidates, n_items=n_items)  # type: ignore[arg-type]
