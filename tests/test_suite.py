"""Several seeds, several recipes, several runs: one comparison."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sasrec_llm.cli.app import app
from sasrec_llm.comparison import compare, grouped, mean_cost
from sasrec_llm.errors import RecipeError, RunError, UsageError
from sasrec_llm.evaluation.examiner import Cost
from sasrec_llm.experiment import run
from sasrec_llm.outcome import costs
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Recipe
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.recipe.suite import load_suite, repeated
from sasrec_llm.runs import Run, Workspace
from sasrec_llm.runs.lookup import find_runs
from sasrec_llm.suite import SuiteOutcome, run_suite

FEW = {"objective": "like", "train": ["encoder"], "epochs": 1, "epoch_steps": 3, "batch_size": 16}
MF = {
    "name": "small-mf",
    "data": {"use": "demo"},
    "encoder": {"use": "mf", "width": 4},
    "strategy": {"use": "encoder-only"},
    "stages": {"encoder": FEW},
}
BIAS = {
    "name": "bias",
    "data": {"use": "demo"},
    "encoder": {"use": "bias-regression"},
    "strategy": {"use": "encoder-only"},
    "stages": {"fit": {"objective": "fit", "train": ["encoder"]}},
}


@pytest.fixture
def place(few_folder: Path, workspace: Path) -> Workspace:
    shutil.copytree(few_folder, workspace / "data" / "demo")
    return Workspace(workspace / "data", workspace / "runs", workspace / "cache")


def toml(table: dict[str, Any], folder: Path) -> Path:
    def text(value: Any) -> str:
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{key} = {text(part)}" for key, part in value.items()) + " }"
        return json.dumps(value)

    path = folder / f"{table['name']}.toml"
    path.write_text("".join(f"{key} = {text(value)}\n" for key, value in table.items()), encoding="utf-8")
    return path


def suite_of(folder: Path, *names: str, **settings: Any) -> Path:
    return toml({"name": "both", "recipes": list(names), **settings}, folder)


def told(plan: Any, place: Workspace, known: Plugins) -> tuple[SuiteOutcome, list[tuple[str, int, bool]]]:
    heard: list[tuple[str, int, bool]] = []

    def begin(recipe: Recipe, finished: bool) -> None:
        heard.append((recipe.head.name, recipe.head.seed, finished))

    return run_suite(plan, place, known, begin), heard


def test_seeds_are_runs_of_their_own_and_end_in_a_mean(place: Workspace, builtins: Plugins) -> None:
    recipe = check_recipe(MF | {"seeds": [1, 2, 3]}, "test", builtins)
    outcome, heard = told(repeated(recipe, "# test"), place, builtins)
    assert heard == [("small-mf", seed, False) for seed in (1, 2, 3)]
    alone = [run(check_recipe(MF | {"seed": seed}, "test", builtins), "", place, builtins) for seed in (1, 2, 3)]
    assert len(list(place.runs.glob("*-small-mf-*/metrics.json"))) == 3, (
        "a seed of several is the run it would be alone"
    )
    each = [outcome.tables["test"][0].values("small-mf")["auc"] for outcome in alone]
    mean = outcome.comparison.tables[0].systems["small-mf"]["auc"]
    assert mean.value == pytest.approx(np.mean(each))  # type: ignore[arg-type]
    assert mean.sd == pytest.approx(np.std(each, ddof=1))  # type: ignore[arg-type]
    assert outcome.comparison.tables[0].systems["item-mean"]["auc"].sd is None, "a floor has no seed"
    assert outcome.comparison.reference == "stacked"
    assert set(outcome.comparison.tables[0].differences) == {"small-mf", "constant", "item-mean", "bias-regression"}
    kept = json.loads((outcome.folder / "comparison.json").read_text())
    assert kept["test"][0]["systems"]["small-mf"]["auc"]["sd"] == mean.sd
    assert kept["cost"]["small-mf"]["trained_parameters"] > 0
    _, heard = told(repeated(recipe, "# test"), place, builtins)
    assert [finished for _, _, finished in heard] == [True] * 3
    (label,) = grouped(find_runs(place.runs, "small-mf"))
    assert label == "small-mf"
    shutil.copytree(alone[0].run.folder, place.runs / "a-copy")
    copies = grouped([*find_runs(place.runs, "small-mf"), Run(place.runs / "a-copy")])
    assert len(copies) == 4, "a copied run is no further seed"


def test_folds_are_runs_of_their_own_and_every_user_is_asked_once(place: Workspace, builtins: Plugins) -> None:
    recipe = check_recipe(BIAS | {"data": {"use": "demo", "protocol": "k-fold", "folds": 3}}, "test", builtins)
    outcome, heard = told(repeated(recipe, ""), place, builtins)
    assert len(heard) == 3
    runs = outcome.comparison.members["bias"]
    each = [json.loads((found.folder / "metrics.json").read_text())["test"][0] for found in runs]
    (whole, *_) = outcome.comparison.tables
    assert whole.rows == sum(fold["rows"] for fold in each)
    assert whole.users == sum(fold["users"] for fold in each)
    every = [fold["systems"]["bias"]["auc"]["value"] for fold in each]
    auc = whole.systems["bias"]["auc"]
    assert auc.value == pytest.approx(np.mean(every))
    assert auc.sd == pytest.approx(np.std(every, ddof=1))
    assert auc.low is not None
    assert auc.high is not None
    assert auc.low < np.mean(every) < auc.high
    with pytest.raises(RunError, match="bias has fold 1, 2, 3, alone has 1"):
        compare({"bias": runs, "alone": runs[:1]}, ["all"], place, builtins)
    with pytest.raises(UsageError, match="one fold at a time"):
        run(recipe, "", place, builtins)


def test_a_suite_runs_its_recipes_and_outlives_one_that_fails(
    place: Workspace, builtins: Plugins, tmp_path: Path
) -> None:
    broken = {**MF, "name": "broken", "stages": {"encoder": {**FEW, "load": {"encoder": str(tmp_path / "nowhere")}}}}
    names = [toml(table, tmp_path).name for table in (MF, BIAS, broken)]
    path = suite_of(tmp_path, *names, common={"evaluate": {"metrics": ["auc", "logloss"]}, "backbone": {"use": "x"}})
    outcome, heard = told(load_suite(path, ["seed=5"], builtins), place, builtins)
    assert [(name, seed) for name, seed, _ in heard] == [("small-mf", 5), ("bias", 5), ("broken", 5)]
    assert list(outcome.failed) == ["broken"]
    systems = outcome.comparison.tables[0].systems
    assert list(systems) == ["constant", "item-mean", "bias-regression", "stacked", "small-mf", "bias"]
    assert list(systems["bias"]) == ["auc", "logloss", "logloss (platt)"], "what is common to all"
    assert systems["bias"]["auc"] == systems["bias-regression"]["auc"]
    assert outcome.comparison.tables[0].differences["bias"]["auc"].value != 0
    assert [table.subset for table in outcome.comparison.tables] == ["all", "warm", "cold"]


def test_a_floor_with_runs_of_its_own_is_those_runs(place: Workspace, builtins: Plugins) -> None:
    stacked = {**BIAS, "name": "stacked", "encoder": {"use": "stacked", "trees": 5}}
    runs = [run(check_recipe({**stacked, "seed": seed}, "test", builtins), "", place, builtins).run for seed in (1, 2)]
    other = [run(check_recipe({**MF, "seed": seed}, "test", builtins), "", place, builtins).run for seed in (1, 2)]
    table = compare({"stacked": runs, "small-mf": other}, ["all"], place, builtins).tables[0]
    assert table.systems["stacked"]["auc"].sd > 0
    assert table.systems["bias-regression"]["auc"].sd is None
    alone = compare({"small-mf": other}, ["all"], place, builtins).tables[0]
    assert alone.systems["stacked"]["auc"].sd is None, "as a floor it is the same in every run"


def test_a_suite_with_problems_says_all_of_them(builtins: Plugins, tmp_path: Path) -> None:
    toml(MF, tmp_path)
    toml({**MF, "name": "other", "data": {"use": "else"}}, tmp_path)
    toml({**MF, "name": "typo", "encoder": {"use": "mff"}}, tmp_path)
    with pytest.raises(RecipeError) as error:
        load_suite(suite_of(tmp_path, "small-mf.toml", "other.toml", "typo.toml"), [], builtins)
    said = str(error.value)
    assert "unknown encoder 'mff' (did you mean 'mf'?)" in said
    assert "other asks else temporal like, but small-mf asks demo temporal like" in said
    with pytest.raises(RecipeError, match=r"recipes +must not be empty"):
        load_suite(suite_of(tmp_path), [], builtins)
    with pytest.raises(UsageError, match="there is no recipe"):
        load_suite(suite_of(tmp_path, "nowhere.toml"), [], builtins)


def test_runs_on_different_rows_are_not_compared(place: Workspace, builtins: Plugins) -> None:
    like = run(check_recipe(BIAS, "test", builtins), "", place, builtins).run
    last = {"use": "demo", "protocol": "leave-one-out"}
    later = {**BIAS, "name": "later", "data": last, "encoder": {"use": "markov"}}
    next_item = run(check_recipe(later, "test", builtins), "", place, builtins).run
    with pytest.raises(RunError, match=f"has protocol temporal, {next_item.name} has leave-one-out"):
        compare({"a": [like], "b": [next_item]}, ["all"], place, builtins)
    with pytest.raises(UsageError, match="no system 'item-men' here \\(did you mean 'item-mean'"):
        compare({"a": [like]}, ["all"], place, builtins, reference="item-men")


def test_the_command_prints_figures_and_differences(
    place: Workspace, builtins: Plugins, capsys: pytest.CaptureFixture[str]
) -> None:
    run(check_recipe(BIAS, "test", builtins), "", place, builtins)
    run(check_recipe(MF, "test", builtins), "", place, builtins)
    other = {**MF, "data": {"use": "demo", "protocol": "temporal", "task": "next-item"}, "stages": {}}
    other["stages"] = {"encoder": {**FEW, "objective": "next-item"}}
    run(check_recipe(other, "test", builtins), "", place, builtins)  # of the same name, asked something else
    app(["compare", "bias", "small-mf", "--reference", "item-mean", "--stages"], standalone_mode=False)
    said = capsys.readouterr().out
    assert "less item-mean, p by the paired bootstrap over users" in said
    app(["compare", "bias", "small-mf", "--json"], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    assert found["reference"] == "bias"
    assert found["test"][0]["differences"]["small-mf"]["auc"]["p"] > 0


def test_a_stage_of_an_older_srl_has_unknown_costs(builtins: Plugins) -> None:
    recipe = check_recipe(MF, "test", builtins)
    facts = {"objective": "like", "total_seconds": 2.0, "trained_parameters": {"encoder": 7}}
    (cost,) = costs(recipe, {"encoder": facts}, {}).values()
    assert cost == Cost(None, None, 2.0, 7)
    assert mean_cost([cost, Cost(10.0, 5.0, 4.0, 7)]) == Cost(10.0, 5.0, 3.0, 7)


SUITES = Path(__file__).parent.parent / "recipes" / "suites"


@pytest.mark.parametrize("path", sorted(SUITES.glob("*.toml")), ids=lambda path: str(path.name))
def test_a_suite_that_is_shipped_is_fine_and_says_what_it_is(path: Path, builtins: Plugins) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert f"srl run recipes/suites/{path.name}" in text
    suite = load_suite(path, [], builtins)
    assert len(suite.recipes) > 5
    assert "tinyllama" not in str([recipe.dump() for same in suite.recipes.values() for recipe in same])
