"""`srl runs`: what there is, how far it is, and taking it away."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from sasrec_llm.durable import DRAFT
from sasrec_llm.errors import NonFiniteError, StoppedError
from sasrec_llm.locks import at_work, locked
from sasrec_llm.runs import Run
from sasrec_llm.runs.states import find_standing, standing, standings
from tests.report_runs import without_intervals


@pytest.fixture
def runs(reported: dict[str, Path], workspace: Path) -> Path:
    """Two finished runs, of which one was trained in two stages."""
    folder = workspace / "runs"
    for name in ("likes", "next"):
        shutil.copytree(reported[name], folder / reported[name].name)
    return folder


def cut(folder: Path, name: str, *, result: str = "", epochs: int = 0) -> Path:
    """A copy of a run, as if it had been stopped after so many epochs of the stage `result`."""
    stopped = shutil.copytree(folder, folder.with_name(name))
    (stopped / "metrics.json").unlink()
    if result:
        shutil.rmtree(stopped / "stages" / result / "result")
        if epochs:
            (stopped / "stages" / result / "checkpoints" / f"{epochs:06d}-{9 * epochs:09d}").mkdir(parents=True)
    return stopped


def change(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def listed(srl: Any) -> dict[str, dict[str, Any]]:
    done = srl("runs", "ls", "--json")
    assert done.code == 0, done.err
    return {row["name"]: row for row in json.loads(done.out)}


def run_of(runs: Path, name: str) -> Path:
    (found,) = runs.glob(f"*-{name}-*")
    return found


def test_every_run_is_listed_with_its_state(srl: Any, runs: Path) -> None:
    likes = run_of(runs, "likes")
    cut(likes, "2026-01-01-first-000001", result="first")
    second = cut(likes, "2026-01-02-second-000002", result="second", epochs=2)
    change(second / "manifest.json", started="2020-01-01T00:00:00+00:00")
    cut(likes, "2026-01-03-figures-000003")
    rows = listed(srl)
    assert next(iter(rows)) == second.name, "the oldest first"
    assert {name: (row["state"], row["detail"]) for name, row in rows.items() if row["state"] != "finished"} == {
        "2026-01-01-first-000001": ("interrupted", "stage 1 of 2, first"),
        "2026-01-02-second-000002": ("interrupted", "stage 2 of 2, second, epoch 2 of 3"),
        "2026-01-03-figures-000003": ("interrupted", "its figures"),
    }
    assert (rows[likes.name]["recipe"], rows[likes.name]["data"]) == ("likes", "demo (temporal)")
    assert rows[likes.name]["metric"] == "auc"
    assert 0 < rows[likes.name]["figure"] < 1
    assert rows[run_of(runs, "next").name]["metric"] == "ndcg@10"
    text = srl("runs", "ls").out
    assert "NDCG@10 ." in text
    assert "interrupted: stage 2 of 2, second, epoch 2 of 3" in text
    assert srl("runs", "list").out == text


def test_figures_of_the_first_version_are_listed_too(srl: Any, runs: Path) -> None:
    without_intervals(run_of(runs, "likes"))
    assert 0 < listed(srl)[run_of(runs, "likes").name]["figure"] < 1


def test_a_run_that_works_says_who_it_is_and_is_not_removed(srl: Any, runs: Path) -> None:
    likes = run_of(runs, "likes")
    working = cut(likes, "2026-01-02-working-000002", result="second", epochs=1)
    with locked(working):
        row = listed(srl)[working.name]
        assert (row["state"], row["detail"]) == ("running", "stage 2 of 2, second, epoch 1 of 3")
        assert row["by"].startswith("process ")
        done = srl("runs", "rm", likes, working, "--yes")
        assert done.code == 75
        assert "is working on" in done.err
    assert working.is_dir()
    assert likes.is_dir(), "all or none"
    assert listed(srl)[working.name]["state"] == "interrupted"


def test_a_note_of_a_process_that_died_is_no_lock(tmp_path: Path) -> None:
    what, note = tmp_path / "run", tmp_path / ".run.holder.json"
    assert at_work(what) == ""
    assert not list(tmp_path.iterdir()), "asking leaves nothing behind"
    note.write_text('{"pid": 1, "host": "here", "command": "srl run x", "since": "now"}')
    assert at_work(what) == ""
    assert not note.exists()
    with locked(what):
        assert at_work(what).startswith("process ")
    assert at_work(what) == ""


def test_why_a_run_failed_is_kept_until_it_is_started_again(runs: Path) -> None:
    folder = cut(run_of(runs, "likes"), "2026-01-02-failed-000002", result="first")
    with pytest.raises(NonFiniteError), Run(folder).lock():
        raise NonFiniteError("the loss\nis nan", hint="Try less")
    found = standing(folder)
    assert found
    assert (found.state, found.detail) == ("failed", "the loss is nan")
    with pytest.raises(StoppedError), Run(folder).lock():
        raise StoppedError("enough")
    found = standing(folder)
    assert found
    assert found.state == "interrupted"


def test_suites_searches_and_other_folders(srl: Any, runs: Path) -> None:
    likes = run_of(runs, "likes").name
    suite = runs / "2026-01-01-suite-both-000001"
    suite.mkdir()
    data = {"name": "demo", "protocol": "temporal"}
    (suite / "comparison.json").write_text(json.dumps({"data": data, "members": {"a": [likes], "b": [likes]}}))
    search = runs / "tune-likes-000002"
    search.mkdir()
    (search / "study.journal").write_text("")
    (runs / "notes").mkdir()
    (runs / f"{DRAFT}likes~1").mkdir()
    damaged = runs / "2026-01-01-damaged-000003"
    damaged.mkdir()
    (damaged / "resolved.json").write_text("{")
    empty = runs / "2026-01-01-empty-000004"
    shutil.copytree(runs / likes, empty)
    change(empty / "metrics.json", test=[])
    assert listed(srl)[empty.name]["state"] == "damaged"
    assert srl("runs", "rm", "empty", "--yes").code == 0
    rows = listed(srl)
    assert len(rows) == 5
    assert (rows[suite.name]["kind"], rows[suite.name]["recipe"]) == ("suite", "both")
    assert rows[suite.name]["detail"] == "compares 2 systems"
    assert (rows[search.name]["kind"], rows[search.name]["state"]) == ("search", "interrupted")
    assert (rows[damaged.name]["state"], rows[damaged.name]["recipe"]) == ("damaged", "damaged")
    (search / "best.toml").write_text("# Trial 2 of 3: auc 0.7 on validation\n")
    assert listed(srl)[search.name]["detail"] == "Trial 2 of 3: auc 0.7 on validation"
    told = json.loads(srl("runs", "show", "tune-likes", "--json").out)
    assert told["next"] == [f"srl run runs/{search.name}/best.toml"]
    assert f"srl compare runs/{suite.name}" in srl("runs", "show", "both").out
    for name in (damaged.name, suite.name, search.name):
        assert srl("runs", "show", name).code == 0
        assert srl("runs", "rm", name, "--yes").code == 0
    assert {path.name for path in runs.iterdir() if not path.name.startswith(".")} == {
        "notes",
        likes,
        run_of(runs, "next").name,
    }


def test_show_says_what_a_run_is_and_what_comes_next(srl: Any, runs: Path) -> None:
    likes = run_of(runs, "likes")
    told = json.loads(srl("runs", "show", "likes", "--json").out)
    assert told["parts"] == {"encoder": "mf", "strategy": "encoder-only"}
    first = told["stages"][0]
    assert (first["name"], first["finished"], first["planned_epochs"]) == ("first", True, 3)
    assert first["total_seconds"] > 0
    assert told["bytes"]["predictions.parquet"] == (likes / "predictions.parquet").stat().st_size
    assert told["bytes"]["stages"] > 0
    assert told["next"] == [f"srl recommend {likes.name} --history TITLE", f"srl report {likes.name} --open"]
    assert "torch" in told["made_with"]["packages"]
    text = srl("runs", "show", likes).out
    for part in ("finished", "demo (temporal)", "mf → encoder-only, seed 42", "bias-regression", "AUC", "MB"):
        assert part in text
    stopped = cut(likes, "2026-01-02-second-000002", result="second", epochs=2)
    change(stopped / "manifest.json", command=["/usr/bin/srl", "run", "my recipe.toml"])
    text = srl("runs", "show", stopped.name).out
    assert "2 of 3" in text
    assert "Next: srl run 'my recipe.toml'" in text
    assert f"Next: srl runs rm {stopped.name}" in text


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["show", "lieks"], ["no run matches 'lieks'", "srl runs ls"]),
        (["show", "26-"], ["more than one run matches '26-'"]),
        (["rm", "nothing", "--yes"], ["no run matches 'nothing'"]),
        (["rm"], ["name the runs to remove"]),
        (["rm", "--unfinished"], ["there is no unfinished run"]),
        (["rm", "likes"], ["nobody is there to be asked", "--yes"]),
    ],
)
def test_a_mistake_is_one_clear_message(srl: Any, runs: Path, arguments: list[str], texts: list[str]) -> None:
    for path in runs.iterdir():
        path.rename(path.with_name(f"2026-{path.name[5:]}"))
    done = srl("runs", *arguments)
    assert done.code == 2
    for text in texts:
        assert text in done.err
    assert len(standings(runs)) == 2


def test_without_runs_there_is_a_way_out(srl: Any, workspace: Path) -> None:
    assert srl("runs", "ls", "--json").out == "[]\n"
    assert "srl run RECIPE" in srl("runs", "ls").err
    assert srl("runs", "show").code == 2


def test_unfinished_runs_are_removed_whole(srl: Any, runs: Path) -> None:
    likes = run_of(runs, "likes")
    gone = [cut(likes, "2026-01-02-one-000002", result="first"), cut(likes, "2026-01-03-two-000003")]
    done = srl("runs", "rm", "--unfinished", "one", "--yes")
    assert done.code == 0, done.err
    assert done.out.splitlines() == [f"{path.name} is removed" for path in gone]
    assert {one.state for one in standings(runs)} == {"finished"}
    assert not list(runs.glob(f"{DRAFT}*")), "nothing half-removed"


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
def test_rm_asks_in_a_terminal(srl: Any, runs: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda text, **_: answer == "y" or sys.exit(1))
    done = srl("runs", "rm", "likes")
    assert done.code == code
    assert "finished" in done.err
    assert len(standings(runs)) == 2 - (answer == "y")


def test_what_others_need_stays(srl: Any, runs: Path) -> None:
    likes, following = run_of(runs, "likes"), run_of(runs, "next")
    fused = cut(likes, "2026-01-02-fused-000002")
    change(fused / "resolved.json", strategy={"use": "ensemble", "runs": ["likes", "gone"]}, name="fused")
    loads = cut(following, "2026-01-02-loads-000003")
    stages = json.loads((loads / "resolved.json").read_text())["stages"]
    stages["only"]["load"] = {"encoder": f"runs/{following.name}/stages/only/result/encoder"}
    change(loads / "resolved.json", stages=stages, name="loads")
    done = srl("runs", "rm", "likes", "next", "--yes")
    assert done.code == 2
    assert f"{likes.name} is needed by {fused.name}" in done.err
    assert f"{following.name} is needed by {loads.name}" in done.err
    assert "--force" in done.err
    assert len(standings(runs)) == 4
    assert srl("runs", "rm", "likes", "fused", "--yes").code == 0, "both at once"
    done = srl("runs", "rm", "next", "--yes", "--force")
    assert done.code == 0
    assert "is needed by" in done.err


def test_only_the_link_to_a_run_is_removed(
    srl: Any, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = shutil.move(run_of(runs, "likes"), tmp_path / "kept")
    (runs / "2026-01-01-likes-000001").symlink_to(elsewhere)
    monkeypatch.chdir(elsewhere)
    assert find_standing(runs, ".").folder == elsewhere
    monkeypatch.chdir(runs.parent)
    assert srl("runs", "rm", "2026-01-01-likes-000001", "--yes").code == 0
    assert find_standing(runs, str(elsewhere)).state == "finished"
    assert len(standings(runs)) == 1
