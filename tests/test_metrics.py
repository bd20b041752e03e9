"""Pointwise metrics against scikit-learn and by hand; every metric's interval against drawing users the slow way."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from sasrec_llm.evaluation import metrics, ranking_metrics
from sasrec_llm.evaluation.bootstrap import difference, figure, resample, weights
from sasrec_llm.evaluation.calibration import calibrate
from sasrec_llm.evaluation.scoring import probability
from sasrec_llm.evaluation.statistics import Mean, Plain, statistic, value
from sasrec_llm.interfaces import Ranked, Scored

LIKE = ("auc", "uauc", "logloss", "brier", "ece", "accuracy", "precision", "recall", "f1", "yes", "rmse", "macro_f1")
NEXT = ("hr", "ndcg", "mrr", "novelty", "serendipity")
rows = st.lists(
    st.tuples(st.integers(1, 5), st.integers(0, 1), st.sampled_from([0.05, 0.3, 0.5, 0.5001, 0.7, 0.95])),
    min_size=1,
    max_size=60,
)


def scored(found: list[tuple[int, int, float]]) -> Scored:
    users, labels, probabilities = (np.array(column) for column in zip(*found, strict=True))
    ratings = (1 + 4 * labels).astype(np.float32)
    p = probabilities.astype(float)
    return Scored(users, labels, p, ratings, 1 + 4 * p, np.round(1 + 4 * p))


def of(name: str, it: Scored) -> float:
    return value(statistic(getattr(metrics, name), it))


@settings(max_examples=200)
@given(rows)
def test_auc_with_ties_equals_scikit_learn(found: list[tuple[int, int, float]]) -> None:
    it = scored(found)
    if 0 < it.labels.sum() < len(it.labels):
        assert of("auc", it) == pytest.approx(oracle.roc_auc_score(it.labels, it.probabilities), abs=1e-9)
    else:
        assert math.isnan(of("auc", it))


@settings(max_examples=200)
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
        assert of("uauc", it) == pytest.approx(np.mean(each), abs=1e-9)
    else:
        assert math.isnan(of("uauc", it))


@settings(max_examples=200)
@given(rows)
def test_pointwise_metrics_equal_scikit_learn(found: list[tuple[int, int, float]]) -> None:
    it = scored(found)
    said = (it.probabilities >= 0.5).astype(int)
    assert of("logloss", it) == pytest.approx(oracle.log_loss(it.labels, it.probabilities, labels=[0, 1]), abs=1e-9)
    assert of("brier", it) == pytest.approx(np.mean((it.probabilities - it.labels) ** 2), abs=1e-9)
    assert of("accuracy", it) == pytest.approx(oracle.accuracy_score(it.labels, said), abs=1e-9)
    assert of("yes", it) == pytest.approx(said.mean(), abs=1e-9)
    for name in ("precision", "recall", "f1"):
        theirs = getattr(oracle, f"{name}_score")(it.labels, said, zero_division=np.nan)
        assert of(name, it) == pytest.approx(theirs, nan_ok=True, abs=1e-9)
    assert it.ratings is not None
    assert of("rmse", it) == pytest.approx(oracle.root_mean_squared_error(it.ratings, it.expected), abs=1e-6)
    assert of("macro_f1", it) == pytest.approx(oracle.f1_score(it.ratings, it.said, average="macro"), abs=1e-9)


def test_a_table_worked_by_hand() -> None:
    """User 1: one of two pairs is right. User 2: a tie counts half. User 3 has one class only."""
    it = scored([(1, 1, 0.9), (1, 0, 0.5), (1, 1, 0.4), (2, 1, 0.5), (2, 0, 0.5), (3, 1, 0.2)])
    assert of("uauc", it) == pytest.approx((0.5 + 0.5) / 2)
    assert metrics.uauc_users(it) == 2
    # pairs of likes (.9 .4 .5 .2) and dislikes (.5 .5): .9 wins 2, .5 ties 2
    assert of("auc", it) == pytest.approx((2 + 0 + 1 + 0) / 8)
    assert of("accuracy", it) == pytest.approx(2 / 6)
    assert of("precision", it) == pytest.approx(2 / 4)
    assert of("recall", it) == pytest.approx(2 / 4)


def test_a_constant_scorer_is_worth_nothing() -> None:
    assert of("auc", Scored(np.ones(10, int), np.array([0, 1] * 5), np.full(10, 0.7))) == 0.5


def test_no_rows_have_no_figures() -> None:
    it = Scored(np.empty(0, int), np.empty(0, int), np.empty(0))
    for name in LIKE:
        assert math.isnan(of(name, it)), name


def test_probability_does_not_overflow() -> None:
    assert probability(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]


def test_calibration_error_by_hand() -> None:
    """Fifteen bins of two rows; each bin's mean probability is .25 above its share of likes."""
    p = np.repeat(np.linspace(0.75, 0.95, 15), 2)
    it = Scored(np.arange(30), np.tile([0, 1], 15), p)
    assert of("ece", it) == pytest.approx(np.mean(np.abs(p.reshape(15, 2).mean(1) - 0.5)))
    tied = Scored(np.arange(30), np.tile([0, 1], 15), np.full(30, 0.8))
    assert of("ece", tied) == pytest.approx(0.3), "equal probabilities stand in one bin"


def test_calibration_finds_the_line_that_bent_the_logits() -> None:
    chance = np.random.default_rng(0)
    true = chance.normal(size=40_000)
    labels = (chance.random(len(true)) < probability(true)).astype(int)
    bent = 3 * true - 2
    assert calibrate("platt", bent, on=bent, labels=labels) == pytest.approx(true, abs=0.1)
    cooled = calibrate("temperature", 3 * true, on=3 * true, labels=labels)
    assert cooled == pytest.approx(true, abs=0.1)
    assert calibrate("temperature", np.zeros(3), on=bent, labels=labels).tolist() == [0, 0, 0], "no intercept"
    constant = calibrate("platt", np.zeros(2), on=np.zeros(len(labels)), labels=labels)
    assert probability(constant) == pytest.approx(labels.mean(), abs=1e-3)


@pytest.fixture
def many_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sasrec_llm.evaluation.bootstrap.DRAWS", 1000)


def ranked(seed: int, n_rows: int, n_users: int) -> Ranked:
    chance = np.random.default_rng(seed)
    top = np.stack([1 + chance.permutation(30)[:20] for _ in range(n_rows)])
    ranks = chance.integers(1, 40, n_rows) / 2
    return Ranked(
        chance.integers(1, n_users + 1, n_rows), chance.integers(1, 31, n_rows), ranks, top, chance.integers(0, 9, 31)
    )


@given(rows, st.integers(0, 1000))
def test_a_metric_on_drawn_users_is_the_metric_of_their_rows(found: list[tuple[int, int, float]], seed: int) -> None:
    """The quick way and the slow one agree, user by user drawn again."""
    it, them = scored(found), ranked(seed, len(found), 5)
    cases: list[tuple[Any, Any]] = [(getattr(metrics, name), it) for name in LIKE if name != "ece"]  # its bins stay
    cases += [(partial(getattr(ranking_metrics, name), k=10), them) for name in NEXT]
    for measure, answers in cases:
        quick = statistic(measure, answers)
        slow = Plain(lambda drawn, measure=measure: value(statistic(measure, drawn)), answers)
        drawn = next(weights(quick.n_users, seed))[:5]
        np.testing.assert_allclose(quick.at(drawn), slow.at(drawn), atol=1e-9)


@pytest.mark.usefixtures("many_draws")
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """AUC .76 by construction, users of very different size: intervals over users miss it rarely, over rows often."""
    truth, held = 0.7602499, {"users": 0, "rows": 0}
    for seed in range(60):
        chance = np.random.default_rng(seed)
        users = np.repeat(np.arange(60), chance.geometric(0.05, 60))
        labels = chance.integers(0, 2, len(users))
        scores = labels + chance.normal(size=len(users)) * 0.8 + chance.normal(size=60)[users] * 0.6
        for name, unit in (("users", users), ("rows", np.arange(len(users)))):
            found = metrics.auc(Scored(unit, labels, scores))
            interval = figure(found, found.at(np.concatenate(list(weights(found.n_users)))[:200]))
            assert interval.low is not None
            assert interval.high is not None
            held[name] += interval.low <= truth <= interval.high
    assert held["users"] >= 52
    assert held["rows"] < held["users"]


@pytest.mark.usefixtures("many_draws")
def test_a_difference_is_paired() -> None:
    """Two systems that share their noise: the difference is far better known than either."""
    chance = np.random.default_rng(1)
    users, labels = np.repeat(np.arange(100), 5), chance.integers(0, 2, 500)
    base = labels * 0.5 + chance.normal(size=500)
    ours, theirs = (metrics.auc(Scored(users, labels, base + gain * labels)) for gain in (0.2, 0.0))
    draws = resample({"ours": ours, "theirs": theirs})
    assert len(draws["ours"]) == 1000
    found = difference(ours, theirs, draws["ours"], draws["theirs"])
    alone = figure(ours, draws["ours"])
    assert found.low is not None
    assert found.high is not None
    assert alone.low is not None
    assert alone.high is not None
    assert 0 < found.low < found.high
    assert found.high - found.low < (alone.high - alone.low) / 2
    assert found.p == pytest.approx(2 / (1000 + 1))
    same = difference(ours, ours, draws["ours"], draws["ours"])
    assert (same.value, same.p) == (0.0, 1.0)


def test_the_mean_over_seeds_is_resampled_as_one() -> None:
    chance = np.random.default_rng(2)
    users, labels = np.repeat(np.arange(50), 4), chance.integers(0, 2, 200)
    parts = [metrics.brier(Scored(users, labels, chance.random(200))) for _ in range(3)]
    mean = Mean(parts)
    assert value(mean) == pytest.approx(np.mean([value(part) for part in parts]))
    assert mean.n_users == 50


def test_a_metric_that_is_only_a_number_has_an_interval_too() -> None:
    it = scored([(user, user % 2, 0.5) for user in range(1, 41)])
    found = statistic(lambda answers: float(answers.labels.mean()), it)
    low, high = figure(found, resample({0: found})[0]).low, figure(found, resample({0: found})[0]).high
    assert low is not None
    assert high is not None
    assert low < value(found) == 0.5 < high


def test_coverage_has_no_interval() -> None:
    found = ranking_metrics.coverage(ranked(0, 40, 20), 10)
    shown = figure(found, resample({0: found})[0])
    assert shown.value == value(found) > 0
    assert shown.low is None
