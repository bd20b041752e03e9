"""Options of the protocols: what they change, where they have no use; and splits that no thread can change."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sasrec_llm.across import moved
from sasrec_llm.comparison import compare
from sasrec_llm.data import interactions
from sasrec_llm.data.database import connect
from sasrec_llm.data.interactions import load_interactions
from sasrec_llm.durable import read_json
from sasrec_llm.errors import RecipeError, RunError
from sasrec_llm.experiment import evaluate, run
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Recipe
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.report.write import open_prepared
from sasrec_llm.runs import Run, Workspace
from tests.small_data import MONTH, prepared
from tests.test_protocols import CASES, rows_of, split


@pytest.mark.parametrize("folds", [3, 7])
def test_every_user_is_in_the_test_of_one_fold(folds: int, tied_folder: Path) -> None:
    rows = rows_of(tied_folder)
    found = [split(tied_folder, rows, "k-fold", "like", {"folds": folds, "fold": fold + 1}) for fold in range(folds)]
    tests = [it.users("test") for it in found]
    assert sorted(user for users in tests for user in users) == sorted({row[0] for row in found[0].given})
    assert max(map(len, tests)) - min(map(len, tests)) <= 1
    assert [it.users("valid") for it in found] == [*tests[1:], tests[0]], "the next fold is for validation"
    assert len({it.data.sha256 for it in found}) == folds, "a fold is other data"
    assert all(max(users) - min(users) >= len(users) for users in tests), "not by the order of ids"


def test_the_same_rows_for_any_order_of_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough rows for several threads, and so few users and seconds that ties are everywhere."""
    chance = np.random.default_rng(5)
    columns = [chance.integers(1, high + 1, 130_000) for high in (500, 300, 5, 36 * 40)]
    rows = [(u, i, r, int(m * MONTH / 40)) for u, i, r, m in zip(*map(np.ndarray.tolist, columns), strict=True)]
    folders = [prepared(tmp_path / name, rows, threads=threads) for name, threads in (("one", 1), ("four", 4))]
    for name in ("interactions", "items", "users"):
        assert len({(folder / f"{name}.parquet").read_bytes() for folder in folders}) == 1
    for protocol, task, options in CASES:
        found = []
        for threads in (1, 4):
            with monkeypatch.context() as patch:
                patch.setattr(interactions, "connect", with_threads(threads))
                data = load_interactions(folders[0], protocol, task=task, options=options)
            found.append([data.splits, data.rows.users, data.rows.items, data.liked, data.start, data.end])
        assert all(np.array_equal(one, other) for one, other in zip(*found, strict=True)), protocol


def with_threads(threads: int) -> Any:
    @contextlib.contextmanager
    def connected() -> Iterator[Any]:
        with connect() as connection:
            connection.execute(f"SET threads = {threads}")
            yield connection

    return connected


def checked(builtins: Plugins, **data: Any) -> Recipe:
    table = {"data": {"use": "demo", **data}, "encoder": {"use": "popularity"}, "strategy": {"use": "encoder-only"}}
    return check_recipe({"name": "x", **table}, "x.toml", builtins)


@pytest.mark.parametrize(
    ("data", "key", "text"),
    [
        (
            {"protocol": "k-fold", "folds": 3, "fold": 4},
            "data.fold",
            "must be at most 3, since there are so many folds",
        ),
        ({"protocol": "k-fold", "fold": 0}, "data.fold", "must be at least 1"),
        ({"protocol": "k-fold", "fold": 1, "folds": 2}, "data.folds", "must be at least 3"),
        ({"protocol": "temporal", "fold": 1}, "data.fold", "has no use: protocol 'temporal' has no folds"),
        ({"protocol": "session", "folds": 5}, "data.folds", "has no use: protocol 'session' has no folds"),
        ({"protocol": "temporal", "asks": "first"}, "data.asks", "has no use: protocol 'temporal' for the task 'like'"),
        ({"protocol": "leave-one-out", "asks": "each"}, "data.asks", "has no use"),
        ({"protocol": "temporal", "months": [0, 11, 11.5, 12]}, "data.months", "does not split by months"),
        ({"protocol": "collm", "months": [0, 11, 11, 12]}, "data.months", "must ascend"),
        ({"protocol": "temporal", "task": "next-item", "asks": "last"}, "data.asks", "must be 'each' or 'first'"),
    ],
)
def test_options_without_use_or_sense_are_refused(data: Any, key: str, text: str, builtins: Plugins) -> None:
    with pytest.raises(RecipeError) as caught:
        checked(builtins, **data)
    assert text in dict(caught.value.problems)[key]


def test_options_are_those_of_the_protocol(builtins: Plugins) -> None:
    assert checked(builtins, protocol="k-fold", fold=2).data.options == {"folds": 5, "fold": 2}
    assert checked(builtins, protocol="collm", months=[0, 11, 11.5, 12]).data.options == {
        "months": "0.0,11.0,11.5,12.0"
    }
    later = {"protocol": "temporal", "task": "next-item"}
    assert checked(builtins, **later, asks="each").data.options == checked(builtins, **later).data.options == {}
    assert checked(builtins, **later).subsets[1:3] == ["known-users", "new-users"]
    other = moved(Run(Path("x")), checked(builtins, **later, asks="first"), "demo", "k-fold")
    assert other.data.options == {"folds": 5, "fold": 1}, "scored on a dataset it never saw, without a fold of its own"
    assert "warm" not in checked(builtins, protocol="k-fold", fold=2).subsets, "no user of a held-out fold is warm"


def test_asking_each_or_the_first_is_other_data_of_the_same_catalogue(tied_folder: Path) -> None:
    each = load_interactions(tied_folder, "temporal", task="next-item")
    first = load_interactions(tied_folder, "temporal", task="next-item", options={"asks": "first"})
    assert each.sha256 != first.sha256
    assert len(each.of("test")) > len(first.of("test"))
    assert np.array_equal(each.item_ids, first.item_ids)
    assert np.array_equal(each.of("train"), first.of("train"))


@pytest.mark.parametrize(("task", "encoder"), [("like", "item-mean"), ("next-item", "popularity")])
def test_a_fold_is_run_says_which_it_is_and_is_compared_with_no_other(
    task: str, encoder: str, tied_folder: Path, builtins: Plugins
) -> None:
    shutil.copytree(tied_folder, "data/tied")
    data = {"use": "tied", "protocol": "k-fold", "task": task, "fold": 3, "folds": 4}
    fit = {"fit": {"objective": "fit", "train": ["encoder"]}}
    sections = {"encoder": {"use": encoder}, "strategy": {"use": "encoder-only"}, "stages": fit}
    recipe = check_recipe({"name": "fold", "data": data, **sections}, "x.toml", builtins)
    outcome = run(recipe, "", Workspace.from_environment(), builtins)
    about = read_json(outcome.run.folder / "metrics.json")["data"]
    assert (about["protocol"], about["folds"], about["fold"]) == ("k-fold", 4, 3)
    (table, *_) = outcome.tables["test"]
    assert table.users in (10, 11)
    assert (table.rows == table.users) == (task == "next-item")
    again = evaluate(outcome.run, ["new-users"], Workspace.from_environment(), builtins)
    assert again.tables["test"][0].systems["fold"] == table.systems["fold"], "every user of a fold is new"
    assert open_prepared(outcome.run.folder, Path("data")).data is not None, "its page finds the fold"
    other = check_recipe({"name": "other", "data": {**data, "fold": 2}, **sections}, "x.toml", builtins)
    members = {"one": [outcome.run], "two": [run(other, "", Workspace.from_environment(), builtins).run]}
    with pytest.raises(RunError, match=r"has fold 3, .* has 2"):
        compare(members, ["all"], Workspace.from_environment(), builtins)
