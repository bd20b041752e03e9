"""The floor `stacked`: no row knows its own answer, and what it has learned is numbers that can be kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from sasrec_llm.components import BuildContext
from sasrec_llm.data.interactions import Interactions, history_bounds
from sasrec_llm.data.training import Training
from sasrec_llm.encoders.floors import BiasRegression
from sasrec_llm.encoders.settings import StackedSettings
from sasrec_llm.encoders.sparse import SparseMatrix, liked_sets
from sasrec_llm.encoders.stacked.content import categories, meanings, words, years
from sasrec_llm.encoders.stacked.model import Stacked, build
from sasrec_llm.encoders.stacked.users import RIDGE, notes_of_users, notes_without_the_visit, visits
from sasrec_llm.encoders.tabular import HistogramBoosting
from sasrec_llm.errors import DataError, RecipeError
from sasrec_llm.experiment import run
from sasrec_llm.interfaces import Rows
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.runs import Workspace
from sasrec_llm.testing import context, rows
from sasrec_llm.train.parts import load_part, save_part

HOUR = 3_600


def made(data: Interactions, seed: int = 1, **settings: Any) -> Stacked:
    known = BuildContext(
        n_users=data.n_users,
        n_items=data.n_items,
        item_texts=data.titles,
        item_categories=data.categories,
        seed=seed,
        cache=Path("cache"),
        data=Training(data),
    )
    return build(StackedSettings(**{"trees": 20, **settings}), known)


def with_other_answer(data: Interactions, row: int) -> Interactions:
    """The same data, but for the label of one train row, and the histories that it is in."""
    labels = data.rows.labels.copy()
    labels[row] = 1 - labels[row]
    changed = replace(data.rows, labels=labels)
    start, end = history_bounds(changed, strict=data.history_rule == "strict")
    likes = labels == 1
    return replace(data, rows=changed, liked=changed.items[likes], liked_at=changed.times[likes], start=start, end=end)


def features_of(data: Interactions, row: int) -> np.ndarray:
    """What the model learns from of one train row, given as a row of the data."""
    stacked = made(data)
    chosen = np.flatnonzero(data.of("train") == row)
    return stacked.inputs(stacked.data.rows(), chosen)[0]


def scores(stacked: Stacked, data: Interactions) -> torch.Tensor:
    batch = data.examples(data.of("valid")[:200], 50)
    return stacked.score(batch.histories, batch.targets)


@pytest.fixture(scope="module")
def fitted(demo: Interactions) -> Stacked:
    stacked = made(demo)
    stacked.fit(stacked.data.rows())
    return stacked


def test_no_feature_of_a_row_knows_its_label(demo: Interactions) -> None:
    train = demo.of("train")
    for row in np.random.default_rng(0).choice(train, 4, replace=False):
        assert np.array_equal(features_of(demo, row), features_of(with_other_answer(demo, row), row))


def test_nor_the_label_of_a_later_row_of_the_same_visit(demo: Interactions) -> None:
    train = demo.of("train")
    visit = visits(demo.take(train))
    pairs = np.flatnonzero((np.diff(visit) == 0) & (np.diff(demo.rows.times[train]) > 0))
    row, later = train[pairs[7]], train[pairs[7] + 1]
    assert np.array_equal(features_of(demo, row), features_of(with_other_answer(demo, later), row))


def test_but_it_knows_what_others_think_of_the_item_and_what_its_user_liked_before(demo: Interactions) -> None:
    train = demo.of("train")
    users, items = demo.rows.users[train], demo.rows.items[train]
    fold = np.random.default_rng(1).permutation(demo.n_users + 1)[users] % StackedSettings().folds
    row = next(at for at in range(500, len(train)) if users[at - 1] == users[at])
    other = np.flatnonzero((items == items[row]) & (fold != fold[row]))[0]
    for told in (other, row - 1):
        changed = features_of(with_other_answer(demo, train[told]), train[row])
        assert not np.array_equal(features_of(demo, train[row]), changed)


def test_it_is_the_highest_floor(demo: Interactions) -> None:
    stacked, biases = made(demo), BiasRegression(n_users=demo.n_users, n_items=demo.n_items, inverse_l2=1.0)
    valid = demo.examples(demo.of("valid"), 50)
    found = []
    for model in (stacked, biases):
        model.fit(stacked.data.rows())
        found.append(roc_auc_score(valid.labels[:, 0], model.score(valid.histories, valid.targets)[:, 0]))
    assert found[0] > found[1] + 0.03


def test_same_seed_same_scores(demo: Interactions, fitted: Stacked) -> None:
    again, other = made(demo), made(demo, seed=2)
    for stacked in (again, other):
        stacked.fit(stacked.data.rows())
    assert torch.equal(scores(fitted, demo), scores(again, demo))
    assert not torch.equal(scores(fitted, demo), scores(other, demo))
    assert fitted.to("meta") is fitted, "it stays on the CPU"


def test_what_is_saved_is_what_is_loaded(demo: Interactions, fitted: Stacked, tmp_path: Path) -> None:
    save_part(tmp_path / "part", fitted, {})
    other = made(demo, seed=9)
    load_part(tmp_path / "part", other, {})
    assert torch.equal(scores(fitted, demo), scores(other, demo))
    assert {path.name for path in (tmp_path / "part").iterdir()} == {"component.json", "model.safetensors"}


def test_a_score_does_not_depend_on_its_batch(demo: Interactions, fitted: Stacked) -> None:
    batch = demo.examples(demo.of("test")[:64], 60)
    together = fitted.score(batch.histories, batch.targets)
    alone = [fitted.score(batch.histories.pick(slice(at, at + 1)), batch.targets[at : at + 1]) for at in range(64)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)
    several = batch.targets[:, 0].repeat(64, 1)
    assert torch.allclose(fitted.score(batch.histories, several).diagonal(), together[:, 0], atol=1e-5)


def test_trees_answer_as_those_that_were_grown() -> None:
    chance = np.random.default_rng(0)
    inputs = chance.normal(size=(900, 5)).astype(np.float32).astype(np.float64)
    labels = (inputs[:, 0] * inputs[:, 1] + chance.normal(size=900) > 0).astype(np.float64)
    counts = chance.uniform(0.5, 1.5, 900)
    trees = HistogramBoosting(trees=30, leaves=6, min_rows=10)
    trees.fit(inputs, labels, 4, counts)
    grown = HistGradientBoostingClassifier(
        max_iter=30, max_leaf_nodes=6, min_samples_leaf=10, learning_rate=0.05, l2_regularization=5.0, max_bins=63,
        max_features=0.5, early_stopping=False, random_state=4,
    ).fit(inputs.astype(np.float32), labels, sample_weight=counts)  # fmt: skip
    found = trees(torch.from_numpy(inputs)).numpy()
    assert found == pytest.approx(grown.decision_function(inputs.astype(np.float32)), abs=1e-5)
    assert found.std() > 0.1


def test_notes_are_what_they_say() -> None:
    chance = np.random.default_rng(0)
    given = replace(rows(count=40), times=np.cumsum(chance.choice([HOUR, 24 * HOUR], 40)))
    appeal, content = chance.normal(size=21), chance.normal(size=(21, 3))

    def note(kept: list[int]) -> np.ndarray:
        if not kept:
            return np.zeros(5)
        p = 1 / (1 + np.exp(-appeal[given.items[kept]]))
        r, e = given.labels[kept] - p, content[given.items[kept]]
        w = np.linalg.inv(sum(np.outer(x, x) for x in e) + RIDGE * np.eye(3)) @ sum(
            x * y for x, y in zip(e, r, strict=True)
        )
        return np.array([np.log(1 + len(kept)), r.sum() / ((p * (1 - p)).sum() + 1), *w])

    visit = np.zeros(40, dtype=int)
    for at in range(1, 40):
        same = given.users[at] == given.users[at - 1] and given.times[at] - given.times[at - 1] <= 12 * HOUR
        visit[at] = visit[at - 1] + (not same)
    found = notes_without_the_visit(given, appeal, content)
    for row in range(40):
        kept = [at for at in range(40) if given.users[at] == given.users[row] and visit[at] != visit[row]]
        assert found[row] == pytest.approx(note(kept))
    of_users = notes_of_users(given, appeal, content, 8)
    for user in range(9):
        assert of_users[user] == pytest.approx(note(np.flatnonzero(given.users == user).tolist()))


def test_an_entry_of_a_sparse_matrix_is_found_at_its_place() -> None:
    matrix, given = SparseMatrix(rows=7, columns=21), rows()
    found = liked_sets(given, n_items=20) * 2.5
    matrix.put(found.tocsr())
    every = np.meshgrid(np.arange(7), np.arange(21), indexing="ij")
    assert np.array_equal(matrix.at(*every), found.toarray())
    assert not SparseMatrix(rows=7, columns=21).at(*every).any()


def test_what_a_text_says_of_an_item() -> None:
    titles = ["Heat (1995)", "2001: A Space Odyssey (1968)", "no year", "X (1989)"]
    assert years(titles).tolist() == [1995, 1968, 1989, 1989]
    assert years(["no year", "none"]).tolist() == [0, 0]
    assert categories(["Comedy, Drama", "", "Drama"]).tolist() == [[1, 1], [0, 0], [0, 1]]
    assert categories(["", ""]).shape == (2, 0)
    found = words(["red fish", "red fish", "blue bird", "blue bird sings", ""])
    assert found[0] @ found[1] == pytest.approx(1)
    assert abs(found[0] @ found[2]) < 1e-6
    assert not found[4].any()
    assert not words(["one", "two"]).any(), "no word in common"
    assert meanings(torch.randn(5, 100)).shape == (5, 64)


@pytest.mark.parametrize("count", [2, 3, 12])
def test_a_handful_of_rows_is_enough(count: int) -> None:
    given = replace(rows(count=count), labels=np.arange(count) % 2, users=np.ones(count, dtype=np.int64))

    class Few(type(context().data)):  # type: ignore[misc]
        def rows(self, split: str = "train") -> Rows:
            return given

    few = Few()
    few._rows["train"] = given
    stacked = build(StackedSettings(), context(data=few, item_texts=("",) * 20))
    stacked.fit(given)
    batch = few.examples("train", np.arange(count), 50)
    assert torch.isfinite(stacked.score(batch.histories, batch.targets)).all()


def test_likes_alone_are_refused() -> None:
    given = rows()
    with pytest.raises(DataError, match="likes and dislikes"):
        build(StackedSettings(), context()).fit(replace(given, labels=np.ones_like(given.labels)))


def test_a_language_model_may_read_the_items_to_it(few_folder: Path, workspace: Path, builtins: Plugins) -> None:
    (workspace / "data").mkdir()
    (workspace / "data" / "demo").symlink_to(few_folder)
    place = Workspace(workspace / "data", workspace / "runs", workspace / "cache")
    plain: dict[str, Any] = {
        "name": "plain",
        "data": {"use": "demo"},
        "encoder": {"use": "stacked", "trees": 20},
        "strategy": {"use": "encoder-only"},
        "stages": {"fit": {"objective": "fit", "train": ["encoder"]}},
        "evaluate": {"floors": ["stacked"]},
    }
    tiny = {"use": "tiny-llama", "width": 16, "layers": 1, "heads": 2, "vocabulary": 400, "pretrain_steps": 2}
    outcomes = [
        run(check_recipe(table, "test", builtins), "# test", place, builtins)
        for table in (plain, {**plain, "name": "read", "backbone": tiny})
    ]
    assert [list(outcome.tables["test"][0].systems) for outcome in outcomes] == [["plain"], ["read", "stacked"]]
    one, other = (
        outcome.tables["test"][0].systems[name] for outcome, name in zip(outcomes, ("plain", "read"), strict=True)
    )
    assert one != other, "the stage is not taken over from the run without a language model"
    with pytest.raises(RecipeError, match="has no backbone: remove the table"):
        check_recipe({**plain, "encoder": {"use": "item-mean"}, "backbone": tiny}, "test", builtins)
