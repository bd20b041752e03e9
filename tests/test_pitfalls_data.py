"""Pitfalls of splits, orders and datasets that have made published numbers wrong. All: test_pitfalls.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sasrec_llm.data.interactions import Interactions, load_interactions
from sasrec_llm.devices import Device
from sasrec_llm.encoders.floors import BiasRegression
from sasrec_llm.errors import RunError
from sasrec_llm.evaluation.ranking import NextItemTask
from sasrec_llm.evaluation.scoring import LikeTask
from sasrec_llm.experiment import evaluate, run
from sasrec_llm.plugins import Plugins
from sasrec_llm.protocols import TASKS
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.runs import Workspace
from sasrec_llm.systems import metric
from tests.small_data import Told, prepared

CPU = Device("cpu", False)
OPTIONS: dict[str, dict[str, int | str]] = {"k-fold": {"folds": 5, "fold": 1}}
LIKE = [protocol for protocol, tasks in TASKS.items() if "like" in tasks]
Ints = NDArray[np.int64]


@pytest.mark.parametrize("protocol", LIKE)
def test_no_protocol_splits_rows_at_random(protocol: str, tied_folder: Path) -> None:
    """A random 8:1:1 of rows, or one of each user's rows, shows a model what others will think of an item later."""
    data = load_interactions(tied_folder, protocol, task="like", options=OPTIONS.get(protocol))
    train, test = (data.take(data.of(split)) for split in ("train", "test"))
    both = np.intersect1d(train.users, test.users)
    assert not len(both) or train.times.max() < test.times.min()


def test_a_random_split_is_worth_five_points_and_not_to_be_had(collm_folder: Path, builtins: Plugins) -> None:
    """On the rows of CoLLM a regression on ids has an AUC of .7365, and .784 where rows are split at random."""

    def auc(data: Interactions, train: Ints, test: Ints) -> float:
        model = BiasRegression(n_users=data.n_users, n_items=data.n_items, inverse_l2=1.0)
        model.fit(data.take(train))
        task = LikeTask(data, {"auc": metric(builtins.get("metrics", "auc"))})
        answers = task.answer(model, test, history_length=1, device=CPU, batch_size=4096, who="regression")
        return task.figures(answers, test)["auc"]

    found = {}
    for protocol in LIKE:
        data = load_interactions(collm_folder, protocol, task="like", options=OPTIONS.get(protocol))
        found[protocol] = auc(data, data.of("train"), data.of("test"))
    shuffled = np.random.default_rng(1).permutation(len(data.splits))
    assert auc(data, shuffled[: len(shuffled) * 8 // 10], shuffled[len(shuffled) * 9 // 10 :]) > 0.77
    assert max(found.values()) < 0.75, found


def one_second(users: int, items: int) -> list[tuple[int, int, int, int]]:
    """Every user rates every item in the same second, in an order of their own."""
    chance = np.random.default_rng(0)
    return [(user, item, 5, 100) for user in range(1, users + 1) for item in 1 + chance.permutation(items)]


def test_an_unstable_sort_changes_no_target(tmp_path: Path) -> None:
    """Half of ML-1M shares its second with another row: an unstable sort by time gives a quarter of the users another
    last item."""
    rows = one_second(80, 50)
    data = load_interactions(prepared(tmp_path / "own", rows), "leave-one-out")
    for split, place in (("valid", -2), ("test", -1)):
        asked = data.of(split)
        last = [[item for user, item, *_ in rows if user == wanted][place] for wanted in range(1, 81)]
        assert data.rows.items[asked].tolist() == last


def test_a_join_with_titles_orders_no_ties(tmp_path: Path) -> None:
    """CoLLM's order within a second is what one version of pandas left behind after merging in the titles."""
    rows, titles = one_second(30, 50), [f"{item},Film {item}" for item in range(1, 51)]
    given = {"sorted": titles, "reversed": titles[::-1], "some": titles[10:30]}
    for name, lines in given.items():
        data = load_interactions(prepared(tmp_path / name, rows, items=lines), "leave-one-out")
        assert data.rows.items.tolist() == [item for _, item, *_ in rows], name


def test_no_answer_of_the_same_second_is_in_a_history(tmp_path: Path) -> None:
    """18.6 % of CoLLM's test rows find a like of their own second in their history: a page of answers given at once."""
    rows = [(u, i, 5 if (i + u) % 2 else 1, 100 + i // 3) for u in range(1, 6) for i in range(60)]
    folder = prepared(tmp_path / "own", rows)
    found = {}
    for rule in (None, "strict", "collm"):
        data = load_interactions(folder, "temporal", rule)
        moments = data.rows.times[data.rows.labels == 1]
        ends = [moments[data.end[row] - 1] if data.end[row] > data.start[row] else -1 for row in range(len(rows))]
        found[rule] = int((np.array(ends) == data.rows.times).sum()), data.sha256
    assert found[None] == found["strict"]
    assert found["strict"][0] == 0
    assert found["collm"][0] > 0, "the published way is there by its name"
    assert found["collm"][1] != found["strict"][1], "and makes other data of it"


def test_items_that_train_has_not_seen_are_asked_and_ranked(tmp_path: Path, builtins: Plugins) -> None:
    """Where targets unseen in train are dropped, a model that cannot recommend anything new loses nothing by it."""
    rows = [(n % 7, n % 20 if n < 800 else 20 + n % 60, 5, n) for n in range(1000)]
    data = load_interactions(prepared(tmp_path / "own", rows), "temporal", task="next-item")
    test = data.of("test")
    assert sorted(data.rows.times[test]) == list(range(899, 1000)), "the last tenth, whole"
    new = ~np.isin(data.rows.items[test], data.rows.items[data.of("train")])
    assert new.all()
    task = NextItemTask(data, {"hr@1": metric(builtins.get("metrics", "hr@1"))})
    one = test[np.unique(data.rows.users[test], return_index=True)[1]]  # a row of each user
    scores = torch.zeros(data.n_users + 1, data.n_items + 1)
    scores[data.rows.users[one], data.rows.items[one]] = 1.0
    answers = task.answer(Told(scores), one, history_length=5, device=CPU, batch_size=4, who="told")
    assert task.figures(answers, one) == {"hr@1": 1.0}


def test_two_datasets_of_one_name_are_not_mixed(workspace: Path, builtins: Plugins) -> None:
    """There are two Beauties, of 12,101 and of 54,542 items: the same model has NDCG@10 of .053 on one, .033 on the
    other, and tables that hold both."""
    place = Workspace(workspace / "data", workspace / "runs", workspace / "cache")
    rows: list[Any] = [(n % 9, (n * n) % 23, 5, n) for n in range(200)]
    about = {
        "name": "famous",
        "data": {"use": "beauty", "protocol": "leave-one-out"},
        "strategy": {"use": "encoder-only"},
    }
    fit = {"fit": {"objective": "fit", "train": ["encoder"]}}
    recipe = check_recipe({**about, "encoder": {"use": "popularity"}, "stages": fit}, "x", builtins)
    prepared(place.data / "beauty", rows)
    first = run(recipe, "", place, builtins)
    evaluate(first.run, ["all"], place, builtins)
    prepared(place.data / "beauty", rows[:-1])
    with pytest.raises(RunError, match="is not the data that"):
        evaluate(first.run, ["all"], place, builtins)
    assert run(recipe, "", place, builtins).run.folder != first.run.folder
