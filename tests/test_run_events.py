"""What those who watch are told of a run: its begin, its stages, and how it ends."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sasrec_llm import RunInfo, SrlError, StageInfo, hookimpl
from sasrec_llm.durable import read_json
from sasrec_llm.experiment import run
from sasrec_llm.outcome import Outcome
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.runs import Workspace

RECIPE = {
    "name": "watched",
    "data": {"use": "demo"},
    "encoder": {"use": "sasrec", "width": 8, "heads": 1, "blocks": 1, "max_length": 5},
    "strategy": {"use": "encoder-only"},
    "evaluate": {"subsets": ["all", "warm"], "metrics": ["auc"], "floors": []},
    "stages": {
        "encoder": {"objective": "like", "train": ["encoder"], "epochs": 1, "epoch_steps": 2, "batch_size": 8},
    },
}


class Watcher:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.infos: list[RunInfo] = []
        self.metrics: Mapping[str, Mapping[str, float | None]] = {}
        self.error: BaseException | None = None

    @hookimpl
    def srl_run_started(self, run: RunInfo) -> None:
        there = {path.name for path in run.folder.iterdir()}
        assert {"recipe.toml", "resolved.json", "manifest.json"} <= there
        self.told.append("run started")
        self.infos.append(run)

    @hookimpl
    def srl_stage_started(self, stage: StageInfo) -> None:
        assert stage.run == self.infos[0].name
        self.told.append(f"stage {stage.name}")

    @hookimpl
    def srl_run_finished(self, run: RunInfo, metrics: Mapping[str, Mapping[str, float | None]]) -> None:
        assert (run.folder / "metrics.json").is_file()
        self.told.append("run finished")
        self.infos.append(run)
        self.metrics = metrics

    @hookimpl
    def srl_run_failed(self, run: RunInfo, error: BaseException) -> None:
        self.told.append("run failed")
        self.infos.append(run)
        self.error = error


@pytest.fixture
def place(few_folder: Path, workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    shutil.copytree(few_folder, workspace / "data" / "demo")
    return Workspace(workspace / "data", workspace / "runs", tmp_path_factory.getbasetemp() / "cache")


def do(place: Workspace, watcher: object) -> Outcome:
    known = Plugins()
    known.load()
    known.add(watcher, "watcher")
    return run(check_recipe(RECIPE, "test", known), "# test", place, known)


def test_a_run_is_told_from_its_begin_to_its_figures(place: Workspace) -> None:
    watcher = Watcher()
    outcome = do(place, watcher)
    assert watcher.told == ["run started", "stage encoder", "run finished"]
    assert watcher.infos == [RunInfo(outcome.run.name, outcome.run.folder)] * 2
    kept = read_json(outcome.run.folder / "metrics.json")["test"]
    assert watcher.metrics == {
        table["subset"]: {name: figure["value"] for name, figure in table["systems"]["watched"].items()}
        for table in kept
    }
    assert set(watcher.metrics) == {"all", "warm"}


@pytest.mark.parametrize("error", [SrlError("no"), KeyboardInterrupt()], ids=["error", "signal"])
def test_a_run_that_ends_early_says_why_and_is_the_same_run_when_it_goes_on(
    place: Workspace, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def ending(*_: Any) -> None:
        raise error

    watcher = Watcher()
    with monkeypatch.context() as patch:
        patch.setattr("sasrec_llm.train.loop._step", ending)
        with pytest.raises(type(error)):
            do(place, watcher)
    assert watcher.told == ["run started", "stage encoder", "run failed"]
    assert watcher.error is error
    again = Watcher()
    do(place, again)
    assert again.told == ["run started", "stage encoder", "run finished"]
    assert again.infos[0] == watcher.infos[0]


class Failing:
    @hookimpl
    def srl_run_started(self) -> None:
        raise OSError("the tracker is down")

    @hookimpl
    def srl_run_finished(self) -> None:
        raise AssertionError("told again")


def test_a_watcher_that_fails_at_the_begin_harms_nothing(place: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    outcome = do(place, Failing())
    assert (outcome.run.folder / "metrics.json").is_file()
    (line,) = [record.getMessage() for record in caplog.records if "watcher" in record.getMessage()]
    assert line == "plugin watcher failed in srl_run_started and is not told more: the tracker is down"
