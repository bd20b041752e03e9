"""Metrics over the ranks of the items that came next and over what was recommended, at a cut of k.

Definitions as in 2402.01339's code, for one target a row. nan where a metric is not defined.
"""

from __future__ import annotations

import numpy as np

from sasrec_llm.interfaces import Ranked


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def hr(ranked: Ranked, k: int) -> float:
    """Share of rows whose target is among the first k."""
    return _mean(ranked.ranks <= k)


def ndcg(ranked: Ranked, k: int) -> float:
    """Mean of 1 / log2(1 + rank), 0 beyond k."""
    return _mean(np.where(ranked.ranks <= k, 1 / np.log2(1 + ranked.ranks), 0.0))


def mrr(ranked: Ranked, k: int) -> float:
    """Mean of 1 / rank, 0 beyond k."""
    return _mean(np.where(ranked.ranks <= k, 1 / ranked.ranks, 0.0))


def coverage(ranked: Ranked, k: int) -> float:
    """Share of the catalogue that is recommended to anyone."""
    shown = np.unique(ranked.top[:, :k])
    return float("nan") if not len(ranked.ranks) else np.count_nonzero(shown) / (len(ranked.popularity) - 1)


def novelty(ranked: Ranked, k: int) -> float:
    """Mean of -log2 of a recommended item's share of the likes in train; an item without any counts as one like."""
    share = np.maximum(ranked.popularity, 1) / max(ranked.popularity.sum(), 1)
    shown = ranked.top[:, :k]
    return _mean(-np.log2(share[shown[shown != 0]]))


def serendipity(ranked: Ranked, k: int) -> float:
    """Share of rows whose target is among the first k and not among the k most popular items."""
    expected = 1 + np.argsort(-ranked.popularity[1:], kind="stable")[:k]
    return _mean((ranked.ranks <= k) & ~np.isin(ranked.targets, expected))
