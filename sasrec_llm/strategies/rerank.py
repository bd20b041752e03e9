"""Retrieve, then rerank: a fast recommender names the items that a slow one looks at closely."""

from __future__ import annotations

import torch
from torch import Tensor

from sasrec_llm.interfaces import Histories, Ranker, Recommender, Scorer

PROMPTS = 512  # pairs scored by the slow one at a time


class Reranked:
    """The first `n` items of the retriever in the order of the scorer, all others behind them in the retriever's."""

    def __init__(self, *, retriever: Scorer, scorer: Recommender, n: int, n_items: int) -> None:
        self.retriever = retriever
        self.scorer = scorer
        self.n = min(n, n_items)
        self.n_items = n_items

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        return self.scorer.score(histories, candidates)

    def score_all(self, histories: Histories) -> Tensor:
        """-> [B, N + 1]. An item of the history is not worth a look, since it is never recommended."""
        scores = every_score(self.retriever, histories, self.n_items).float()
        open_ = scores.scatter(1, histories.items, -torch.inf)
        open_[:, 0] = -torch.inf
        found = open_.topk(self.n, dim=1)  # [B, n]
        step = max(PROMPTS // self.n, 1)
        parts = [
            self.scorer.score(
                Histories(*(getattr(histories, name)[at : at + step] for name in Histories.__slots__)), part
            )
            for at, part in zip(range(0, len(scores), step), torch.split(found.indices, step), strict=True)
        ]
        judged = torch.cat(parts).float()
        judged = judged - judged.min(1, keepdim=True).values + 1
        ahead = scores.max(1, keepdim=True).values + judged
        known = torch.isfinite(found.values)  # fewer than n are left of a long history in a small catalogue
        return scores.scatter(1, found.indices, torch.where(known, ahead, scores.gather(1, found.indices)))


def every_score(recommender: Recommender, histories: Histories, n_items: int) -> Tensor:
    """-> [B, N + 1], column 0 without meaning."""
    if isinstance(recommender, Ranker):
        return recommender.score_all(histories)
    every = torch.arange(n_items + 1, device=histories.items.device).expand(len(histories.users), -1)
    return torch.cat([recommender.score(histories, part) for part in torch.split(every, PROMPTS, dim=1)], dim=1)
