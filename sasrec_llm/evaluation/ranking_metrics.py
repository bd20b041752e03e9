"""Metrics over the ranks of the items that came next and over what was recommended, at a cut of k.

Definitions as in 2402.01339's code, for one target a row. nan where a metric is not defined.
"""

from __future__ import annotations

import numpy as np

from sasrec_llm.evaluation.statistics import Fixed, mean
from sasrec_llm.interfaces import Ranked, Statistic


def hr(ranked: Ranked, k: int) -> Statistic:
    """Share of rows whose target is among the first k."""
    return mean(ranked.users, (ranked.ranks <= k).astype(float))


def ndcg(ranked: Ranked, k: int) -> Statistic:
    """Mean of 1 / log2(1 + rank), 0 beyond k."""
    return mean(ranked.users, np.where(ranked.ranks <= k, 1 / np.log2(1 + ranked.ranks), 0.0))


def mrr(ranked: Ranked, k: int) -> Statistic:
    """Mean of 1 / rank, 0 beyond k."""
    return mean(ranked.users, np.where(ranked.ranks <= k, 1 / ranked.ranks, 0.0))


def coverage(ranked: Ranked, k: int) -> Statistic:
    """Share of the catalogue that is recommended to anyone. Without an interval: users drawn again repeat each other's
    lists, so every draw covers less than the users themselves."""
    shown = np.count_nonzero(np.unique(ranked.top[:, :k]))
    share = shown / (len(ranked.popularity) - 1) if len(ranked.ranks) else float("nan")
    return Fixed(share, len(np.unique(ranked.users)))


def novelty(ranked: Ranked, k: int) -> Statistic:
    """Mean of -log2 of a recommended item's share of the likes in train; an item without any counts as one like."""
    share = np.maximum(ranked.popularity, 1) / max(ranked.popularity.sum(), 1)
    shown = ranked.top[:, :k]
    surprise = np.where(shown != 0, -np.log2(share[shown]), 0.0)
    return mean(ranked.users, surprise.sum(1), (shown != 0).sum(1).astype(float))


def serendipity(ranked: Ranked, k: int) -> Statistic:
    """Share of rows whose target is among the first k and not among the k most popular items."""
    expected = 1 + np.argsort(-ranked.popularity[1:], kind="stable")[:k]
    return mean(ranked.users, ((ranked.ranks <= k) & ~np.isin(ranked.targets, expected)).astype(float))
