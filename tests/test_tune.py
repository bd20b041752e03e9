"""Search: trials judged on validation, a study that goes on, and tables that cannot be searched."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sasrec_llm.cli import app as cli
from sasrec_llm.cli import tune as command
from sasrec_llm.data.interactions import Interactions
from sasrec_llm.durable import read_json
from sasrec_llm.errors import RecipeError, RunError, StoppedError, UsageError
from sasrec_llm.evaluation.ranking import NextItemTask
from sasrec_llm.evaluation.scoring import LikeTask
from sasrec_llm.experiment import run
from sasrec_llm.hookspecs import hookimpl
from sasrec_llm.interfaces import StageInfo
from sasrec_llm.plugins import Plugins, plugins
from sasrec_llm.recipe.file import load_recipe
from sasrec_llm.recipe.schema import schema
from sasrec_llm.recipe.search import check_all
from sasrec_llm.runs import Run, Workspace
from sasrec_llm.runs.lookup import find_run
from sasrec_llm.tune.question import read_question
from sasrec_llm.tune.search import Searched, search

RECIPE = """
name = "small"
seed = 7
[data]
use = "demo"
[encoder]
use = "sasrec"
width = 16
heads = 2
blocks = 1
max_length = 10
[strategy]
use = "encoder-only"
[stages.encoder]
objective = "like"
train = ["encoder"]
epochs = 2
epoch_steps = 3
batch_size = 16
valid_rows = 100
[search]
"stages.encoder.lr" = { low = 1e-4, high = 1e-2, log = true }
"encoder.width" = [8, 16]
"encoder.blocks" = { low = 1, high = 3 }
"""


@pytest.fixture
def place(few_folder: Path, workspace: Path) -> Workspace:
    shutil.copytree(few_folder, workspace / "data" / "demo")
    Path("small.toml").write_text(RECIPE)
    return Workspace(workspace / "data", workspace / "runs", workspace / "cache")


@pytest.fixture
def test_is_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever answers for a row that is not of validation fails."""
    for task in (LikeTask, NextItemTask):

        def answer(self: Any, recommender: Any, rows: Any, answer: Any = task.answer, **how: Any) -> Any:
            data: Interactions = self.data
            assert np.isin(rows, data.of("valid")).all(), "rows were scored that are not of validation"
            return answer(self, recommender, rows, **how)

        monkeypatch.setattr(task, "answer", answer)


class Steps:
    """Counts optimiser steps by run and stage, and may stop the process after so many."""

    def __init__(self, until: int = 10**9) -> None:
        self.count: Counter[str] = Counter()
        self.until = until

    @hookimpl
    def srl_logged(self, stage: StageInfo, step: int, values: Mapping[str, float]) -> None:
        self.count[stage.name] += 1
        if self.count.total() > self.until:
            raise KeyboardInterrupt


def tuned(
    place: Workspace, trials: int, file: str = "small.toml", steps: Steps | None = None, **options: Any
) -> Searched:
    known = Plugins()
    known.load()
    known.add(steps or Steps(), "steps")

    @contextlib.contextmanager
    def around(number: int, values: Mapping[str, Any]) -> Iterator[None]:
        yield

    question = read_question(Path(file), options.pop("overrides", ()), known)
    return search(question, place, known, trials=trials, around=around, told=lambda tried, best: None, **options)


def in_order(found: Searched) -> list[tuple[int, Mapping[str, Any], str, float | None]]:
    return sorted((tried.number, tried.values, tried.ended, tried.figure) for tried in found.trials)


@pytest.mark.usefixtures("test_is_sealed")
def test_trials_are_judged_on_validation_alone(place: Workspace) -> None:
    found = tuned(place, 3)
    assert found.metric == "auc"
    assert [tried.ended for tried in found.trials] == ["finished"] * 3
    figures = [tried.figure or 0 for tried in found.trials]
    assert figures == sorted(figures, reverse=True)
    assert len({str(tried.values) for tried in found.trials}) == 3
    for tried in found.trials:
        assert 1e-4 <= tried.values["stages.encoder.lr"] <= 1e-2
        assert tried.values["encoder.width"] in (8, 16)
        assert type(tried.values["encoder.blocks"]) is int
    with pytest.raises(RunError):
        find_run(place.runs, None)  # a trial is no finished run
    assert len(list((found.folder / "trials").iterdir())) == 1, "only the best keeps its weights"


def test_the_recipes_own_values_are_tried_first(place: Workspace) -> None:
    first = tuned(place, 1, overrides=["stages.encoder.lr=3e-3", "encoder.width=16"]).trials[0]
    assert first.values["stages.encoder.lr"] == 3e-3
    assert first.values["encoder.width"] == 16
    outside = tuned(place, 1, overrides=["stages.encoder.lr=0.5", "encoder.width=16"]).trials[0]
    assert 1e-4 <= outside.values["stages.encoder.lr"] <= 1e-2, "what the space does not have is left to the search"
    assert outside.values["encoder.width"] == 16


def test_the_best_runs_as_a_recipe_and_takes_over_what_is_trained(place: Workspace, builtins: Plugins) -> None:
    found = tuned(place, 2, overrides=["encoder.dropout=0.1", "search.metric=uauc"])
    best = found.trials[0]
    recipe = load_recipe(found.best, [], builtins)
    expected = load_recipe(
        Path("small.toml"),
        ["encoder.dropout=0.1", "stages.encoder.metric=uauc", "name=small-tuned"]
        + [f"{path}={value}" for path, value in best.values.items()],
        builtins,
    )
    assert recipe.dump() == expected.dump()
    assert recipe.dump()["encoder"]["dropout"] == 0.1
    steps, known = Steps(), Plugins()
    known.load()
    known.add(steps, "steps")
    outcome = run(recipe, found.best.read_text(), place, known)
    assert steps.count.total() == 0
    assert outcome.tables["valid"][0].values("small-tuned")["uauc"] == pytest.approx(best.figure, abs=1e-12)
    shutil.rmtree(outcome.run.folder)
    shutil.rmtree(found.folder / "trials")
    again = run(recipe, found.best.read_text(), place, known)
    assert steps.count.total() == 6
    assert again.tables["test"][0].systems["small-tuned"] == outcome.tables["test"][0].systems["small-tuned"]


def test_a_study_goes_on_as_if_it_had_not_been_interrupted(place: Workspace, workspace: Path) -> None:
    elsewhere = Workspace(place.data, workspace / "other", place.cache)
    whole = in_order(tuned(elsewhere, 4))
    with pytest.raises(KeyboardInterrupt):
        tuned(place, 4, steps=Steps(until=6 + 4))
    assert in_order(tuned(place, 1)) == whole[:1]
    steps = Steps()
    assert in_order(tuned(place, 3, steps=steps)) == whole[:3]
    assert steps.count.total() == 3 + 6, "the second trial goes on after its first epoch"
    assert in_order(tuned(place, 4)) == whole
    steps = Steps()
    assert in_order(tuned(place, 4, steps=steps)) == whole
    assert steps.count.total() == 0
    assert tuned(place, 9, minutes=0).trials == tuned(place, 4).trials


def test_another_space_is_another_study(place: Workspace, workspace: Path) -> None:
    file = workspace / "kept" / "all.journal"
    first = tuned(place, 1, study=file)
    second = tuned(place, 1, study=file, overrides=["search.encoder.width=[8, 32]"])
    assert first.folder != second.folder
    assert first.study == second.study == file
    assert first.trials[0].number == second.trials[0].number == 1
    assert tuned(place, 1, study=file).trials == first.trials


def test_a_journal_that_was_torn_goes_on_and_another_file_is_left_alone(place: Workspace, workspace: Path) -> None:
    file = workspace / "torn.journal"
    first = tuned(place, 1, study=file)
    with file.open("ab") as stream:
        stream.write(b'{"op_code":4,"worker')
    assert in_order(tuned(place, 2, study=file))[:1] == in_order(first)
    assert len(tuned(place, 2, study=file).trials) == 2
    with pytest.raises(UsageError, match=r"small.toml is not the journal of a study"):
        tuned(place, 1, study=Path("small.toml"))
    assert Path("small.toml").read_text() == RECIPE


HOPELESS = 'startup = 1\n"stages.encoder.lr" = [1e-2, 1e-9]\n'


def test_what_is_worse_than_the_median_is_cut_short(place: Workspace) -> None:
    Path("hopeless.toml").write_text(
        RECIPE.partition("[search]")[0].replace("epoch_steps = 3", "epoch_steps = 40") + "[search]\n" + HOPELESS
    )
    steps = Steps()
    found = tuned(place, 6, "hopeless.toml", steps, overrides=["seed=1", "stages.encoder.epochs=4"])
    by_lr = {tried.values["stages.encoder.lr"]: tried.ended for tried in found.trials}
    assert by_lr == {1e-2: "finished", 1e-9: "pruned"}
    assert 4 * 40 < steps.count["encoder"] < 2 * 4 * 40, "and what was tried before is not trained again"
    (kept,) = (found.folder / "trials").iterdir()
    assert not list(kept.glob("stages/*/best")), "nothing half-written"
    assert load_recipe(found.best, [], plugins()).stages["encoder"].lr == 1e-2


def test_a_watcher_may_stop_a_run_and_no_other_exception_can(builtins: Plugins) -> None:
    class Stops:
        def __init__(self, error: Exception) -> None:
            self.error = error

        @hookimpl
        def srl_evaluated(self, split: str) -> None:
            raise self.error

    known = Plugins()
    known.add(Stops(ValueError("a mistake")), "fails")
    known.event("srl_evaluated", stage=None, split="valid", metrics={})
    known.add(Stops(StoppedError("enough")), "stops")
    with pytest.raises(StoppedError, match="enough"):
        known.event("srl_evaluated", stage=None, split="valid", metrics={})


def test_what_cannot_be_run_is_left_out_with_its_reason(place: Workspace) -> None:
    table = '"encoder.width" = [16, 18]\n"encoder.heads" = [2, 4]\n"stages.encoder.lr" = [1e-3, 1e30]\n'
    Path("unfit.toml").write_text(RECIPE.partition("[search]")[0] + "[search]\n" + table)
    found = tuned(place, 12, "unfit.toml")
    why = {tried.why for tried in found.trials if tried.ended == "unfit"}
    assert any("width 18 must be a multiple of" in text for text in why), why
    assert any("the loss is nan" in text for text in why), why
    for tried in found.trials:
        broken = (tried.values["encoder.width"], tried.values["encoder.heads"]) == (18, 4)
        assert (tried.ended == "unfit") == (broken or tried.values["stages.encoder.lr"] == 1e30)


def test_stages_that_no_value_changes_are_trained_once(place: Workspace) -> None:
    first, _, _ = RECIPE.partition("[search]")
    second = "".join(f"{line}\n" for line in first.partition("[stages.encoder]")[2].strip().splitlines())
    Path("two.toml").write_text(
        f'{first}[stages.again]\n{second}[search]\n"stages.again.lr" = {{ low = 1e-5, high = 1e-2 }}\n'
    )
    steps = Steps()
    assert len(tuned(place, 3, "two.toml", steps).trials) == 3
    assert steps.count == {"encoder": 6, "again": 18}


@pytest.mark.usefixtures("test_is_sealed")
def test_what_is_not_trained_can_be_searched(place: Workspace) -> None:
    Path("closed.toml").write_text(
        'name = "near"\n[data]\nuse = "demo"\nprotocol = "leave-one-out"\n[encoder]\nuse = "item-knn"\n'
        '[strategy]\nuse = "encoder-only"\n[stages.fit]\nobjective = "fit"\ntrain = ["encoder"]\n'
        '[search]\nmetric = "hr@20"\n"encoder.use" = ["item-knn", "markov", "popularity"]\n'
    )
    found = tuned(place, 6, "closed.toml")
    assert found.metric == "hr@20"
    figures = {tried.values["encoder.use"]: tried.figure for tried in found.trials}
    assert len(set(figures.values())) == len(figures) >= 2
    assert load_recipe(found.best, [], plugins()).choices["encoder"].use == found.trials[0].values["encoder.use"]


@pytest.mark.parametrize(
    ("searched", "expected"),
    [
        ({}, {"search": "names nothing to try"}),
        ({"encoder.widht": [8]}, {"search.encoder.widht": "unknown key (did you mean 'width'?)"}),
        ({"encoder.width": [8, 17]}, {"search.encoder.width": "must be a multiple of"}),
        ({"encoder": {"width": [0]}}, {"search.encoder.width": "must be at least 1 (got 0)"}),
        ({"encoder.width": 8}, {"search.encoder.width": "must be a list of choices"}),
        ({"encoder.width": []}, {"search.encoder.width": "must be a list of choices"}),
        ({"encoder.width": [8, 16, 8]}, {"search.encoder.width": "names 8 twice"}),
        ({"encoder.use": ["sasrec", "sasrek"]}, {"search.encoder.use": "did you mean 'sasrec'?"}),
        ({"encoder.use": ["sasrec", "markov"]}, {"search.encoder.use": "stages.encoder.objective: encoder 'markov'"}),
        ({"encoder.dropout": {"low": 0.0, "high": 1.5}}, {"search.encoder.dropout": "must be"}),
        ({"encoder.width": {"low": 0.5, "high": 9}}, {"search.encoder.width": "must be a whole number (got 0.5)"}),
        ({"encoder.width": {"low": 9}}, {"search.encoder.width.high": "is required"}),
        ({"stages.encoder.lr": {"low": 1, "high": 1}}, {"search.stages.encoder.lr": "low must be below high"}),
        ({"stages.encoder.lr": {"low": 0.0, "high": 1.0, "log": True}}, {"search.stages.encoder.lr": "above 0"}),
        (
            {"stages.encoder.lr": {"low": 0.1, "hihg": 1.0}},
            {"search.stages.encoder.lr.hihg": "did you mean 'high'?", "search.stages.encoder.lr.high": "is required"},
        ),
        ({"stages.encodr.lr": [0.1]}, {"search.stages.encodr.lr": "there is no stage 'encodr' (did you mean"}),
        ({"stages.encoder.metric": ["auc"]}, {"search.stages.encoder.metric": "not judged alike"}),
        ({"data.protocol": ["temporal"]}, {"search.data.protocol": "not judged alike"}),
        ({"seed": [1, 2]}, {"search.seed": "a seed is not chosen by its figure"}),
        ({"metric": "acu", "startup": -1}, {"search.metric": "did you mean 'auc'?", "search.startup": "at least 0"}),
        (
            {"metric": "hr@10", "encoder.width": [0], "stages.encoder.epochs": ["many"]},
            {"search.metric": "not a metric of", "search.encoder.width": "", "search.stages.encoder.epochs": ""},
        ),
    ],
)  # fmt: skip
def test_every_problem_of_a_search_is_reported_at_once(
    searched: dict[str, Any], expected: dict[str, str], builtins: Plugins
) -> None:
    table: dict[str, Any] = {
        "name": "x",
        "sede": 1,
        "data": {"use": "demo"},
        "encoder": {"use": "sasrec", "width": 16, "heads": 2},
        "strategy": {"use": "encoder-only"},
        "stages": {"encoder": {"objective": "like", "train": ["encoder"]}},
        "search": searched,
    }
    with pytest.raises(RecipeError) as error:
        check_all(table, "test", builtins)
    found: dict[str, str] = {}
    for path, text in error.value.problems:
        found[path] = f"{found.get(path, '')}{text}; "
    assert found.pop("sede").startswith("unknown key")
    for path, text in expected.items():
        assert text in found[path], found
    assert found.keys() == expected.keys()


def test_a_schema_knows_the_search(builtins: Plugins) -> None:
    assert {"metric", "startup"} == schema(builtins)["properties"]["search"]["properties"].keys()


def srl(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    plugins.cache_clear()
    monkeypatch.setattr(sys, "argv", ["srl", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    return int(exit_.value.code or 0)


def test_the_command(place: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert srl(monkeypatch, "tune", "small.toml", "--trials", 2) == 0
    done = capsys.readouterr()
    (folder,) = place.runs.glob("[!.]*")
    assert "2 trials: 2 to the end, 0 cut short, 0 left out; auc on validation" in done.out
    assert "stages.encoder.lr" in done.out
    assert done.out.strip().endswith(f"Next: srl run runs/{folder.name}/best.toml")
    assert "trial 2 of 2 · stages.encoder.lr " in done.err
    assert "the best so far" in done.err
    assert srl(monkeypatch, "tune", "small.toml", "--trials", 2, "--json") == 0
    assert [tried["ended"] for tried in json.loads(capsys.readouterr().out)["trials"]] == ["finished"] * 2
    assert srl(monkeypatch, "run", f"runs/{folder.name}/best.toml", "--json") == 0
    done = capsys.readouterr()
    assert "its [search] is for srl tune" in done.err
    assert json.loads(done.out)["test"][0]["rows"] == 88


@pytest.mark.parametrize(
    ("setup", "arguments", "texts"),
    [
        ("", ["small.toml"], ["srl tune needs optuna, which is not installed", "pip install 'sasrec-llm[tune]'"]),
        ("optuna", ["plain.toml"], ["plain.toml has no [search] table", "[search]"]),
        ("optuna", ["small.toml", "--set", "search.encoder.width=[0]"], ["search.encoder.width", "at least 1"]),
        ("optuna", ["small.toml", "--set", "stages.encoder.lr=1e30", "--set", "search.stages.encoder.lr=[1e30]",
                    "--trials", "1"], ["none of 1 trials came to its end", "the loss is nan"]),
    ],
)  # fmt: skip
def test_a_mistake_is_one_clear_message(
    setup: str,
    arguments: list[str],
    texts: list[str],
    place: Workspace,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("plain.toml").write_text(RECIPE.partition("[search]")[0])
    if not setup:
        monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert srl(monkeypatch, "tune", *arguments) == 2
    done = capsys.readouterr()
    for text in texts:
        assert text in done.err
    assert done.out == ""


def test_two_searches_do_not_share_a_folder_at_once(place: Workspace) -> None:
    from sasrec_llm.errors import LockedError

    found = tuned(place, 1)
    with Run(found.folder).lock(), pytest.raises(LockedError):
        tuned(place, 2)


def test_a_trial_says_nothing_of_test_on_disk(place: Workspace) -> None:
    from sasrec_llm.data.database import connect

    found = tuned(place, 1)
    (path,) = found.folder.glob("trials/*/stages/encoder/result/predictions.parquet")
    with connect() as connection:
        splits = connection.execute("SELECT DISTINCT split FROM read_parquet(?)", [str(path)]).fetchall()
    assert splits == [("valid",)]
    assert read_json(path.with_name("stage.json"))["stage"] == "encoder"
