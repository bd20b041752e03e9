"""Pointwise metrics over rows of (user, label, probability). Ties count half. nan where a metric is not defined."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_llm.evaluation.statistics import Floats, Separation, Sums, mean, share
from sasrec_llm.interfaces import Scored, Statistic

CLIP = 1e-7
THRESHOLD = 0.5  # probability from which a row counts as a like
BINS = 15  # of the calibration error, of equal mass


def auc(scored: Scored) -> Statistic:
    """(paper eq. 15-16)"""
    return Separation(scored.users, scored.labels, scored.probabilities)


def auc_by_user(scored: Scored) -> tuple[NDArray[np.int64], Floats]:
    """Users, and the AUC of each by mid-ranks within its rows, nan of one class:

    AUC = (sum of the ranks of likes - n₊(n₊ + 1) / 2) / (n₊ n₋)
    """
    order = np.lexsort((scored.probabilities, scored.users))
    user, label, value = scored.users[order], scored.labels[order], scored.probabilities[order]
    index = np.arange(len(user))
    new_user = np.concatenate([[True], user[1:] != user[:-1]])[: len(user)]
    new_value = new_user | np.concatenate([[True], value[1:] != value[:-1]])[: len(user)]
    number = np.cumsum(new_user) - 1
    first = index[new_value]  # of each run of ties
    middle = (first + np.concatenate([first[1:], [len(user)]])[: len(first)] - 1) / 2.0
    ranks = middle[np.cumsum(new_value) - 1] - index[new_user][number] + 1.0  # from 1 within the user
    likes = np.bincount(number, weights=label)
    dislikes = np.bincount(number) - likes
    return user[new_user], share(np.bincount(number, weights=ranks * label) - likes * (likes + 1) / 2, likes * dislikes)


def uauc(scored: Scored) -> Statistic:
    """Unweighted mean over the users that have both classes."""
    users, each = auc_by_user(scored)
    return mean(users, np.nan_to_num(each), np.isfinite(each).astype(float))


def uauc_users(scored: Scored) -> int:
    return int(np.isfinite(auc_by_user(scored)[1]).sum())


def logloss(scored: Scored) -> Statistic:
    p = np.clip(scored.probabilities, CLIP, 1 - CLIP)
    return mean(scored.users, -np.where(scored.labels == 1, np.log(p), np.log1p(-p)))


def brier(scored: Scored) -> Statistic:
    """Mean of (p - label)²."""
    return mean(scored.users, (scored.probabilities - scored.labels) ** 2)


def ece(scored: Scored) -> Statistic:
    """Σ_b |Σ_{i in b} (p_i - label_i)| / n over bins of equal mass; equal probabilities share a bin."""
    p = scored.probabilities
    cuts = np.quantile(p, np.arange(1, BINS) / BINS, method="lower") if len(p) else p
    of_row = np.searchsorted(np.unique(cuts), p, side="right")
    gaps = [(p - scored.labels) * (of_row == b) for b in range(BINS)]
    return Sums(scored.users, [*gaps, np.ones(len(p))], lambda sums: share(np.abs(sums[:, :-1]).sum(1), sums[:, -1]))


def accuracy(scored: Scored) -> Statistic:
    return mean(scored.users, (_said(scored) == _true(scored)).astype(float))


def precision(scored: Scored) -> Statistic:
    return _rate(scored, _said(scored) & _true(scored), _said(scored))


def recall(scored: Scored) -> Statistic:
    return _rate(scored, _said(scored) & _true(scored), _true(scored))


def f1(scored: Scored) -> Statistic:
    said, true = _said(scored), _true(scored)
    return _rate(scored, 2.0 * (said & true), 1.0 * said + true)


def yes(scored: Scored) -> Statistic:
    """An untuned language model tends to say Yes to everything (the paper's figure 9)."""
    return mean(scored.users, _said(scored).astype(float))


def rmse(scored: Scored) -> float | Statistic:
    """Root of the mean squared error of the expected rating; of models that answer in ratings."""
    if scored.ratings is None or scored.expected is None:
        return float("nan")
    errors = (scored.expected - scored.ratings) ** 2
    return Sums(scored.users, [errors, np.ones(len(errors))], lambda sums: np.sqrt(share(sums[:, 0], sums[:, 1])))


def macro_f1(scored: Scored) -> float | Statistic:
    """F1 of each rating that occurs or is said, unweighted mean; of models that answer in ratings."""
    if scored.ratings is None or scored.said is None or not len(scored.labels):
        return float("nan")
    ratings = np.union1d(scored.ratings, scored.said)
    said, true = (column[:, None] == ratings for column in (scored.said, scored.ratings))

    def combine(sums: Floats) -> Floats:
        each = share(sums[:, : len(ratings)], sums[:, len(ratings) :])
        return share(np.nansum(each, axis=1), np.isfinite(each).sum(1))

    return Sums(scored.users, [*(2.0 * (said & true)).T, *(1.0 * said + true).T], combine)


def _said(scored: Scored) -> NDArray[np.bool_]:
    return np.greater_equal(scored.probabilities, THRESHOLD)


def _true(scored: Scored) -> NDArray[np.bool_]:
    return np.equal(scored.labels, 1)


def _rate(scored: Scored, part: NDArray[Any], whole: NDArray[Any]) -> Statistic:
    return mean(scored.users, part.astype(float), whole.astype(float))
