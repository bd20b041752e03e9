"""Pointwise metrics over rows of (user, label, probability). Ties count half. nan where a metric is not defined."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sasrec_llm.interfaces import Scored

CLIP = 1e-7
THRESHOLD = 0.5  # probability from which a row counts as a like


def grouped_auc(groups: NDArray[np.int64], scored: Scored) -> NDArray[np.float64]:
    """AUC of each group that has both classes, by mid-ranks:

    AUC = (sum of the ranks of likes - n₊(n₊ + 1) / 2) / (n₊ n₋)            (paper eq. 15-16)
    """
    if not len(groups):
        return np.empty(0)
    order = np.lexsort((scored.probabilities, groups))
    group, label, value = groups[order], scored.labels[order], scored.probabilities[order]
    new_group = np.concatenate([[True], group[1:] != group[:-1]])
    new_value = new_group | np.concatenate([[True], value[1:] != value[:-1]])
    index = np.arange(len(group))
    group_number = np.cumsum(new_group) - 1
    first = index[new_value]  # of each run of ties
    last = np.concatenate([first[1:], [len(group)]]) - 1
    middle = (first + last) / 2.0
    ranks = middle[np.cumsum(new_value) - 1] - index[new_group][group_number] + 1.0  # from 1 within the group
    likes = np.bincount(group_number, weights=label)
    dislikes = np.bincount(group_number) - likes
    sums = np.bincount(group_number, weights=ranks * label)
    both = (likes > 0) & (dislikes > 0)
    return (sums[both] - likes[both] * (likes[both] + 1) / 2) / (likes[both] * dislikes[both])


def auc(scored: Scored) -> float:
    found = grouped_auc(np.zeros(len(scored.labels), np.int64), scored)
    return float(found[0]) if len(found) else float("nan")


def uauc(scored: Scored) -> float:
    """Unweighted mean over the users that have both classes."""
    found = grouped_auc(scored.users, scored)
    return float(found.mean()) if len(found) else float("nan")


def uauc_users(scored: Scored) -> int:
    return len(grouped_auc(scored.users, scored))


def logloss(scored: Scored) -> float:
    if not len(scored.labels):
        return float("nan")
    p = np.clip(scored.probabilities, CLIP, 1 - CLIP)
    return float(-np.where(scored.labels == 1, np.log(p), np.log1p(-p)).mean())


class Confusion:
    """Counts at a threshold."""

    def __init__(self, scored: Scored) -> None:
        said, true = scored.probabilities >= THRESHOLD, scored.labels == 1
        self.true_positives = int(np.count_nonzero(said & true))
        self.said = int(np.count_nonzero(said))
        self.true = int(np.count_nonzero(true))
        self.right = int(np.count_nonzero(said == true))
        self.rows = len(true)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def accuracy(scored: Scored) -> float:
    found = Confusion(scored)
    return _share(found.right, found.rows)


def precision(scored: Scored) -> float:
    found = Confusion(scored)
    return _share(found.true_positives, found.said)


def recall(scored: Scored) -> float:
    found = Confusion(scored)
    return _share(found.true_positives, found.true)


def f1(scored: Scored) -> float:
    found = Confusion(scored)
    return _share(2 * found.true_positives, found.said + found.true)


def yes(scored: Scored) -> float:
    """An untuned language model tends to say Yes to everything (the paper's figure 9)."""
    found = Confusion(scored)
    return _share(found.said, found.rows)


def rmse(scored: Scored) -> float:
    """Root of the mean squared error of the expected rating; of models that answer in ratings."""
    if scored.ratings is None or scored.expected is None or not len(scored.labels):
        return float("nan")
    return float(np.sqrt(np.mean((scored.expected - scored.ratings) ** 2)))


def macro_f1(scored: Scored) -> float:
    """F1 of each rating that occurs or is said, unweighted mean; of models that answer in ratings."""
    if scored.ratings is None or scored.said is None or not len(scored.labels):
        return float("nan")
    found = []
    for rating in np.union1d(scored.ratings, scored.said):
        said, true = scored.said == rating, scored.ratings == rating
        found.append(2 * np.count_nonzero(said & true) / (np.count_nonzero(said) + np.count_nonzero(true)))
    return float(np.mean(found))
