from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from sasrec_llm.evaluate import metrics
from sasrec_llm.evaluate.scoring import probability
from sasrec_llm.interfaces import Scored

rows = st.lists(
    st.tuples(st.integers(1, 5), st.integers(0, 1), st.sampled_from([0.05, 0.3, 0.5, 0.5001, 0.7, 0.95])),
    min_size=1,
    max_size=60,
)


def scored(found: list[tuple[int, int, float]]) -> Scored:
    users, labels, probabilities = (np.array(column) for column in zip(*found, strict=True))
    return Scored(users, labels, probabilities.astype(float))


@given(rows)
def test_auc_with_ties_equals_scikit_learn(found: list[tuple[int, int, float]]) -> None:
    it = scored(found)
    if 0 < it.labels.sum() < len(it.labels):
        assert metrics.auc(it) == pytest.approx(oracle.roc_auc_score(it.labels, it.probabilities), abs=1e-12)
    else:
        assert math.isnan(metrics.auc(it))


@given(rows)
def test_uauc_is_the_mean_over_users_with_both_classes(found: list[tuple[int, int, float]]) -> None:
    it = scored(found)
    each = []
    for user in np.unique(it.users):
        mine = it.users == user
        if 0 < it.labels[mine].sum() < mine.sum():
            each.append(oracle.roc_auc_score(it.labels[mine], it.probabilities[mine]))
    assert metrics.uauc_users(it) == len(each)
    if each:
        assert metrics.uauc(it) == pytest.approx(np.mean(each), abs=1e-12)
    else:
        assert math.isnan(metrics.uauc(it))


@given(rows)
def test_pointwise_metrics_equal_scikit_learn(found: list[tuple[int, int, float]]) -> None:
    it = scored(found)
    said = (it.probabilities >= 0.5).astype(int)
    assert metrics.logloss(it) == pytest.approx(oracle.log_loss(it.labels, it.probabilities, labels=[0, 1]))
    assert metrics.accuracy(it) == pytest.approx(oracle.accuracy_score(it.labels, said))
    for name in ("precision", "recall", "f1"):
        mine = getattr(metrics, name)(it)
        theirs = getattr(oracle, f"{name}_score")(it.labels, said, zero_division=np.nan)
        assert mine == pytest.approx(theirs, nan_ok=True)


def test_a_table_worked_by_hand() -> None:
    """User 1: one of two pairs is right. User 2: a tie counts half. User 3 has one class only."""
    it = scored([(1, 1, 0.9), (1, 0, 0.5), (1, 1, 0.4), (2, 1, 0.5), (2, 0, 0.5), (3, 1, 0.2)])
    assert metrics.uauc(it) == pytest.approx((0.5 + 0.5) / 2)
    assert metrics.uauc_users(it) == 2
    # pairs of likes (.9 .4 .5 .2) and dislikes (.5 .5): .9 wins 2, .5 ties 2
    assert metrics.auc(it) == pytest.approx((2 + 0 + 1 + 0) / 8)
    assert metrics.accuracy(it) == pytest.approx(2 / 6)
    assert metrics.precision(it) == pytest.approx(2 / 4)
    assert metrics.recall(it) == pytest.approx(2 / 4)


def test_a_constant_scorer_is_worth_nothing() -> None:
    it = Scored(np.ones(10, int), np.array([0, 1] * 5), np.full(10, 0.7))
    assert metrics.auc(it) == 0.5


def test_no_rows_have_no_figures() -> None:
    it = Scored(np.empty(0, int), np.empty(0, int), np.empty(0))
    for name in ("auc", "uauc", "logloss", "accuracy", "precision", "recall", "f1"):
        assert math.isnan(getattr(metrics, name)(it))


def test_probability_does_not_overflow() -> None:
    assert probability(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]
