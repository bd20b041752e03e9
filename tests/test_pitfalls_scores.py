"""Pitfalls of scores, metrics and their noise that have made published numbers wrong. All: test_pitfalls.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sasrec_llm.data.interactions import Interactions, load_interactions
from sasrec_llm.devices import Device
from sasrec_llm.encoders.drawing import Drawing
from sasrec_llm.encoders.floors import BiasRegression, ItemMean
from sasrec_llm.encoders.next_item import NextItemLoss
from sasrec_llm.encoders.settings import NextItemSettings
from sasrec_llm.evaluation.ranking import NextItemTask
from sasrec_llm.evaluation.results import Asked, measure
from sasrec_llm.evaluation.scoring import Answers, LikeTask
from sasrec_llm.evaluation.subsets import subset
from sasrec_llm.interfaces import Histories, Metric
from sasrec_llm.plugins import Plugins
from sasrec_llm.strategies.asking.yes_no import YesNo
from sasrec_llm.systems import metric
from tests.small_data import Told, prepared

CPU = Device("cpu", False)


def metrics(builtins: Plugins, *names: str) -> dict[str, Metric]:
    return {name: metric(builtins.get("metrics", name)) for name in names}


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> Interactions:
    """40 users, 10 of 400 items each."""
    chance = np.random.default_rng(2)
    rows = [(user, item, 5, n) for user in range(40) for n, item in enumerate(chance.choice(400, 10, replace=False))]
    folder = prepared(tmp_path_factory.mktemp("sequences") / "own", [*rows, *((40, n, 5, n) for n in range(400))])
    return load_interactions(folder, "leave-one-out")


def test_a_rank_is_among_all_items(sequences: Interactions, builtins: Plugins) -> None:
    """Among 100 sampled items ML-1M's HR@10 is .82, among all of them .32; and the order of models changes."""
    data = sequences
    rows = data.of("test")[:40]
    targets, users = data.rows.items[rows], data.rows.users[rows]
    scores = torch.zeros(data.n_users + 1, data.n_items + 1)
    for user, row, target in zip(users, rows, targets, strict=True):
        had = data.liked[data.start[row] : data.end[row]]
        ahead = np.setdiff1d(np.arange(1, data.n_items + 1), [*had, target])[:10]
        scores[user, torch.from_numpy(ahead)] = 2.0
        scores[user, target] = 1.0
        scores[user, torch.from_numpy(had)] = 3.0  # what the user had is no candidate
    task = NextItemTask(data, metrics(builtins, "hr@10", "hr@20", "mrr@20", "ndcg@20"))
    answers = task.answer(Told(scores), rows, history_length=3, device=CPU, batch_size=16, who="told")
    assert task.figures(answers, rows) == pytest.approx(
        {"hr@10": 0.0, "hr@20": 1.0, "mrr@20": 1 / 11, "ndcg@20": 1 / np.log2(12)}
    )


@pytest.mark.parametrize("loss", ["sampled-softmax", "gbce"])
def test_the_right_item_is_never_among_the_wrong_ones(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negatives drawn without looking teach a model that the right item is wrong: the more popular, the more often."""
    chance = torch.Generator().manual_seed(0)
    states, table = torch.randn(3, 4, generator=chance), torch.randn(10, 4, generator=chance)
    targets = torch.full((3,), 7)
    monkeypatch.setattr(
        Drawing, "draw", lambda *_: (targets, torch.full((3,), 1 / 9))
    )  # the right item is all that is drawn
    of = NextItemLoss(settings=NextItemSettings(loss=loss, negatives=3, calibration=0), n_items=9, popularity=None)
    alone = 0.0 if loss == "sampled-softmax" else float(F.softplus(-(states @ table[7])).mean()) / (1 + 3)
    assert float(of(states, table, targets)) == pytest.approx(alone, abs=1e-6)


def test_users_with_one_class_are_no_users_of_uauc(tmp_path: Path, builtins: Plugins) -> None:
    """scikit-learn once raised for a user with likes alone, and code that caught that is nan today."""
    asked = [(1, 1, 5), (1, 2, 1), (2, 1, 5), (2, 2, 1), (3, 1, 5), (3, 2, 5), (4, 1, 1)]
    rows = [(n % 4, n % 5, 1 + 4 * (n % 3 > 0), n) for n in range(63)]
    folder = prepared(tmp_path / "own", [*rows, *((*row, 100 + n) for n, row in enumerate(asked))])
    data = load_interactions(folder, "temporal")
    test = np.flatnonzero(data.rows.times >= 100)
    scores = torch.zeros(data.n_users + 1, data.n_items + 1)
    likes = data.rows.labels[test] == 1
    scores[data.rows.users[test], data.rows.items[test]] = torch.from_numpy(np.where(likes, 1.0, -1.0)).float()
    second = data.rows.users == np.unique(data.rows.users[test])[1]
    scores[data.rows.users[second]] *= -1  # right about one of the two users with both classes
    task = LikeTask(data, metrics(builtins, "uauc"))
    answers = task.answer(Told(scores), test, history_length=1, device=CPU, batch_size=4, who="told")
    assert task.figures(answers, test) == {"uauc": 0.5}


@pytest.mark.parametrize("logit", [0.5, 4.0])
def test_a_logit_becomes_a_probability_once(logit: float, demo: Interactions, builtins: Plugins) -> None:
    """TALLRec takes a softmax of a softmax, RecLLM's NCF a sigmoid of a sigmoid: every P is between .27 and .73, AUC
    does not show it, and LogLoss means nothing."""
    rows = demo.of("test")
    right = torch.from_numpy(np.where(demo.rows.labels == 1, logit, -logit)).float()

    class Right:
        at = 0

        def score(self, histories: Histories, candidates: torch.Tensor) -> torch.Tensor:
            self.at += len(candidates)
            return right[rows][self.at - len(candidates) : self.at, None]

    task = LikeTask(demo, metrics(builtins, "logloss"))
    answers = task.answer(Right(), rows, history_length=1, device=CPU, batch_size=100, who="right")
    assert task.figures(answers, rows)["logloss"] == pytest.approx(np.log1p(np.exp(-logit)))


def test_yes_against_no_is_one_softmax() -> None:
    """The other half of it: P is one softmax over the two answers, so the score is the difference of their logits."""

    class Said(YesNo):
        def answer_logits(self, histories: Histories, candidates: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[[3.0, -2.0]], [[-1.0, 4.0]]])

    said: Any = Said(backbone=None, prompts=None, yes_only=False)
    asked = torch.zeros(2, 1, dtype=torch.int64)
    probability = said.answer_logits(None, asked).softmax(-1)[..., 0]
    assert torch.allclose(said.score(None, asked).sigmoid(), probability)


def test_half_precision_is_measured(sequences: Interactions, demo: Interactions, builtins: Plugins) -> None:
    """numpy knows no bf16: code that has only been run in 32 bits dies after the training, at `.numpy()`."""

    class Half(Told):
        def score_all(self, histories: Histories) -> torch.Tensor:
            return super().score_all(histories).bfloat16()

    for task in (
        LikeTask(demo, metrics(builtins, "auc", "logloss")),
        NextItemTask(sequences, metrics(builtins, "hr@10", "novelty@20")),
    ):
        data = task.data
        rows = data.of("test")[:30]
        scores = torch.randn(data.n_users + 1, data.n_items + 1, generator=torch.Generator().manual_seed(0))
        how: dict[str, Any] = {"history_length": 3, "batch_size": 8, "who": "half"}
        half = task.answer(Half(scores), rows, device=Device("cpu", True), **how)
        same = task.answer(Told(scores.bfloat16().float()), rows, device=CPU, **how)
        assert task.figures(half, rows) == task.figures(same, rows)
        assert all(np.isfinite(value) for value in task.figures(half, rows).values())


def test_a_thousandth_is_shown_as_noise(demo: Interactions, builtins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    """Papers call .001 of AUC meaningful. A figure has its interval, and so has a difference."""
    monkeypatch.setattr("sasrec_llm.evaluation.bootstrap.DRAWS", 1000)
    task = LikeTask(demo, metrics(builtins, "auc"))
    rows = demo.of("test")
    chance = np.random.default_rng(0)
    logits = demo.rows.labels[rows] + chance.normal(size=len(rows))
    nearly = logits + 0.1 * chance.normal(size=len(rows))
    systems = {"one": [Answers(logits)], "nearly the same": [Answers(nearly)]}
    (table,) = measure([Asked(task, rows, systems)], ["all"], "one")
    figure, gain = table.systems["one"]["auc"], table.differences["nearly the same"]["auc"]
    assert figure.low < figure.value - 0.01 < figure.value + 0.01 < figure.high
    assert 0 < abs(gain.value) < 0.002
    assert gain.low < 0 < gain.high
    assert gain.p > 0.05


def test_the_noise_of_the_benchmark_is_a_hundredth(
    collm_folder: Path, builtins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same model asked about other 320 users of CoLLM's kind: AUC .714 to .757, the gain over a floor .03 wide."""
    monkeypatch.setattr("sasrec_llm.evaluation.bootstrap.DRAWS", 1000)
    data = load_interactions(collm_folder, "collm")
    test = data.of("test")
    task = LikeTask(data, metrics(builtins, "auc"))
    models = {
        "regression": BiasRegression(n_users=data.n_users, n_items=data.n_items, inverse_l2=1.0),
        "mean": ItemMean(n_users=data.n_users, n_items=data.n_items, prior_rows=5.0),
    }
    systems = {}
    for name, model in models.items():
        model.fit(data.take(data.of("train")))
        systems[name] = [task.answer(model, test, history_length=1, device=CPU, batch_size=4096, who=name)]
    (table,) = measure([Asked(task, test, systems)], ["all"], "mean")
    figure, gain = table.systems["regression"]["auc"], table.differences["regression"]["auc"]
    assert (figure.low, figure.high) == pytest.approx((0.714, 0.757), abs=0.004)
    assert (gain.low, gain.high) == pytest.approx((0.012, 0.044), abs=0.004)


def test_a_set_of_26_rows_is_no_set(demo: Interactions, builtins: Plugins) -> None:
    """RecLLM's figures for cold starts are of 26 rows where user and item are both new for its baselines, and of 3,178
    rows for its own system."""
    task = LikeTask(demo, metrics(builtins, "auc"))
    rows = demo.of("test")
    both, cold = (rows[subset(name, demo, rows)] for name in ("both-new", "cold"))
    assert set(both) < set(cold)
    for few, rows in ((True, both[:26]), (False, cold)):
        (table,) = measure([Asked(task, rows, {"one": [Answers(np.zeros(len(rows)))]})], ["cold"])
        assert (table.rows, table.users) == (len(rows), len(np.unique(demo.rows.users[rows])))
        assert table.small == few
