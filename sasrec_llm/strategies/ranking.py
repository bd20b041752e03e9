"""Ranking the catalogue with any recommender; and retrieve, then rerank: a fast one names what a slow one looks at."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sasrec_llm.interfaces import Factored, Histories, Lister, Ranker, Recommender, Scorer
from sasrec_llm.strategies.products import first_products

SCORED = 2**23  # scores that are held at a time: 32 MB
PROMPTS = 512  # pairs scored by the slow one at a time


def best(recommender: Recommender, histories: Histories, k: int, seen: Tensor, n_items: int) -> tuple[Tensor, Tensor]:
    """The best k items, best first, none of `seen` [B, S] (padded with 0) -> [B, k], 0 where there are fewer; and their
    scores, [B, k]."""
    if isinstance(recommender, Factored):
        users, items = recommender.factors(histories)
        if len(users) * len(items) > SCORED:
            return first_products(users, items, seen, k)
        scores = (users @ items.T).float()
        found = first(unseen(scores, seen), k)
        return found, scores.gather(1, found)
    if isinstance(recommender, Lister) and not isinstance(recommender, Ranker):
        found = recommender.rank(histories, k, seen)
    else:
        found = first(unseen(every_score(recommender, histories, n_items).float(), seen), k)
    return found, recommender.score(histories, found).float()


def first(open_: Tensor, k: int) -> Tensor:
    """[B, N + 1] -> the best [B, k], 0 where fewer are finite."""
    values, places = largest(open_, min(k, open_.shape[1] - 1))
    return torch.where(torch.isfinite(values), places, 0)


def largest(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """[B, N] -> the k largest of each row, largest first, and their places.

    They are in the k groups that have the highest maxima, so only those are sorted. A group is a column of [G, M];
    G = sqrt(N / k) makes the M maxima and the k G members of the chosen groups about as many.
    """
    batch, width = values.shape
    size = max(math.isqrt(width // k), 1)
    groups = width // size
    maxima = values[:, : size * groups].view(batch, size, groups).amax(1)  # [B, M]
    members = maxima.topk(k, dim=1).indices[:, None] + groups * torch.arange(size, device=values.device)[:, None]
    rest = torch.arange(size * groups, width, device=values.device).expand(batch, -1)
    candidates = torch.cat([members.flatten(1), rest], dim=1)
    found = values.gather(1, candidates).topk(k, dim=1)
    return found.values, candidates.gather(1, found.indices)


def unseen(scores: Tensor, seen: Tensor) -> Tensor:
    """The scores with those of seen items, and of column 0, at minus infinity."""
    open_ = scores.scatter(1, seen, -torch.inf)
    open_[:, 0] = -torch.inf
    return open_


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
        found = unseen(scores, histories.items).topk(self.n, dim=1)  # [B, n]
        step = max(PROMPTS // self.n, 1)
        parts = [
            self.scorer.score(histories.pick(slice(at, at + step)), part)
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
