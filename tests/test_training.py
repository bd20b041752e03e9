"""Stages: freezing, order, resuming, skipping, taking over, loading parts."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sasrec_llm.data.interactions import Interactions
from sasrec_llm.durable import new_folder, read_json, verify, write_json
from sasrec_llm.errors import DamagedError, LockedError, NonFiniteError, RunError
from sasrec_llm.experiment import evaluate, run
from sasrec_llm.hookspecs import hookimpl
from sasrec_llm.outcome import Outcome
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Stage
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.runs import Workspace
from sasrec_llm.runs.lookup import find_run
from sasrec_llm.train.order import Order
from sasrec_llm.train.schedule import scale

TINY = {"use": "tiny-llama", "width": 16, "layers": 1, "heads": 2, "vocabulary": 400, "pretrain_steps": 2}
SASREC = {"use": "sasrec", "width": 16, "heads": 2, "blocks": 1, "max_length": 10}


def stage(objective: str, train: list[str], **changes: Any) -> dict[str, Any]:
    return {"objective": objective, "train": train, "epochs": 2, "epoch_steps": 3, "batch_size": 16, **changes}


def table(**changes: Any) -> dict[str, Any]:
    return {
        "name": "small",
        "seed": 7,
        "data": {"use": "demo"},
        "encoder": SASREC,
        "aligner": {"use": "mlp", "expansion": 2},
        "backbone": {**TINY, "lora": {"r": 2, "targets": ["q_proj", "v_proj"]}},
        "strategy": {"use": "token-mapping", "titles": 2},
        "stages": {
            "encoder": stage("like", ["encoder"], epochs=4),
            "warmup": stage("text", ["lora"]),
            "align": stage("hybrid", ["encoder", "aligner"]),
        },
        **changes,
    }


ENCODER_ONLY = {
    "name": "alone",
    "data": {"use": "demo"},
    "encoder": SASREC,
    "strategy": {"use": "encoder-only"},
    "stages": {"encoder": stage("like", ["encoder"], epochs=6)},
}
SPARSE = {
    **ENCODER_ONLY,
    "data": {"use": "demo", "protocol": "leave-one-out"},
    "encoder": {**SASREC, "loss": "gbce", "negatives": 20, "sparse": True},
    "stages": {"encoder": stage("next-item", ["encoder"], epochs=6, weight_decay=0.01, clip=0.1)},
}


@pytest.fixture
def place(few_folder: Path, workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    shutil.copytree(few_folder, workspace / "data" / "demo")
    return Workspace(workspace / "data", workspace / "runs", tmp_path_factory.getbasetemp() / "cache")


def do(recipe: dict[str, Any], place: Workspace, *watchers: object) -> Outcome:
    known = Plugins()
    known.load()
    for number, watcher in enumerate(watchers):
        known.add(watcher, f"watcher-{number}")
    return run(check_recipe(recipe, "test", known), "# test", place, known)


class Counter:
    """Counts optimiser steps of each stage."""

    def __init__(self) -> None:
        self.steps: dict[str, int] = {}

    @hookimpl
    def srl_logged(self, stage: Any, step: int) -> None:
        self.steps[stage.name] = self.steps.get(stage.name, 0) + 1


class Crash(BaseException):
    pass


def crash_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies in the middle of an epoch."""
    from sasrec_llm.train import loop

    real, seen = loop._step, [0]

    def dying(*arguments: Any) -> float:
        seen[0] += 1
        if seen[0] > steps:
            raise Crash
        return real(*arguments)

    monkeypatch.setattr(loop, "_step", dying)


def bytes_of(outcome: Outcome) -> dict[str, bytes]:
    found = outcome.run.folder.glob("stages/*/result/**/*.safetensors")
    files = {str(path.relative_to(outcome.run.folder)): path.read_bytes() for path in found}
    return files | {"metrics": json.dumps(read_json(outcome.run.folder / "metrics.json")["test"]).encode()}


def test_the_whole_chain_runs_is_skipped_and_is_scored_again(place: Workspace) -> None:
    first = Counter()
    outcome = do(table(), place, first)
    assert first.steps == {"encoder": 12, "warmup": 6, "align": 6}
    systems = list(outcome.tables["test"][0].systems)
    floors = ["constant", "item-mean", "bias-regression", "stacked"]
    assert systems == ["small", "after warmup: text", "after encoder: like", *floors]
    folder = outcome.run.folder
    assert {path.name for path in (folder / "stages" / "align" / "result").iterdir()} == {
        "encoder", "aligner", "predictions.parquet", "stage.json", "MANIFEST.json",
    }  # fmt: skip
    for name in ("recipe.toml", "resolved.json", "manifest.json", "log.jsonl", "metrics.json", "predictions.parquet"):
        assert (folder / name).is_file()
    second = Counter()
    again = do(table(), place, second)
    assert second.steps == {}, "finished stages are skipped"
    assert bytes_of(again) == bytes_of(outcome)
    known = Plugins()
    known.load()
    scored = evaluate(find_run(place.runs, None), ["all", "warm", "cold"], place, known)
    for mine, theirs in zip(scored.tables["test"], outcome.tables["test"], strict=True):
        assert mine.values("small") == pytest.approx(theirs.values("small"))
        assert mine.rows == theirs.rows


@pytest.mark.parametrize(("recipe", "after"), [(ENCODER_ONLY, 1), (ENCODER_ONLY, 5), (ENCODER_ONLY, 11), (SPARSE, 11)])
def test_an_interrupted_stage_continues_bit_identically(
    recipe: dict[str, Any], after: int, place: Workspace, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bytes_of(do(recipe, Workspace(place.data, workspace / "other", place.cache)))
    with monkeypatch.context() as patch:
        crash_after(after, patch)
        with pytest.raises(Crash):
            do(recipe, place)
    counter = Counter()
    outcome = do(recipe, place, counter)
    assert counter.steps["encoder"] == 18 - 3 * (after // 3), "only the interrupted epoch is done again"
    assert bytes_of(outcome) == whole
    log = [json.loads(line) for line in (outcome.run.folder / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log if entry["event"] == "step"] == list(range(1, 19))


def test_a_run_killed_after_its_last_step_finishes_without_training(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sasrec_llm.train import stages

    def killed(*_: Any) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(stages, "publish", killed)
        with pytest.raises(Crash):
            do(ENCODER_ONLY, place)
    counter = Counter()
    outcome = do(ENCODER_ONLY, place, counter)
    assert counter.steps == {}
    assert (outcome.run.folder / "metrics.json").is_file()


def test_a_damaged_checkpoint_is_passed_over(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        crash_after(10, patch)
        with pytest.raises(Crash):
            do(ENCODER_ONLY, place)
    newest = sorted(place.runs.glob("*/stages/encoder/checkpoints/0*"))[-1] / "encoder.safetensors"
    content = bytearray(newest.read_bytes())
    content[-3] ^= 4
    newest.write_bytes(content)
    counter = Counter()
    do(ENCODER_ONLY, place, counter)
    assert counter.steps["encoder"] == 18 - 6, "from the checkpoint before"


def test_a_changed_stage_is_redone_with_all_after_it_and_no_other(place: Workspace) -> None:
    do(table(), place)
    changed = table()
    changed["stages"] = {**changed["stages"], "warmup": stage("text", ["lora"], lr=2e-3)}
    counter = Counter()
    do(changed, place, counter)
    assert counter.steps == {"warmup": 6, "align": 6}, "the encoder stage is taken over from the other run"
    reseeded = Counter()
    do(table(seed=8), place, reseeded)
    assert set(reseeded.steps) == {"encoder", "warmup", "align"}


def test_frozen_parts_keep_every_byte(place: Workspace) -> None:
    outcome = do(table(), place)
    stages = outcome.run.folder / "stages"
    assert not (stages / "warmup" / "result" / "encoder").exists()
    before = (stages / "encoder" / "result" / "encoder" / "model.safetensors").read_bytes()
    after = (stages / "align" / "result" / "encoder" / "model.safetensors").read_bytes()
    assert before != after, "align trains the encoder on"


def test_parts_of_any_run_can_be_loaded(place: Workspace) -> None:
    outcome = do(table(), place)
    stages = outcome.run.folder / "stages"
    plugged = table(name="plugged")
    plugged["stages"] = {
        "align": stage(
            "hybrid",
            ["aligner"],
            load={"encoder": str(stages / "encoder/result/encoder"), "lora": str(stages / "warmup/result/lora")},
        )
    }
    outcome = do(plugged, place)
    known = Plugins()
    known.load()
    (again,) = evaluate(outcome.run, ["all"], place, known).tables["test"]
    assert again.values("plugged") == pytest.approx(outcome.tables["test"][0].values("plugged"))
    wrong = json.loads(json.dumps(plugged))
    wrong["encoder"]["width"] = 32
    with pytest.raises(DamagedError, match=r"its component is .*'width': 16.* here it is .*'width': 32"):
        do(wrong, place)
    plugged["stages"]["align"]["load"] = {"encoder": "nowhere"}
    with pytest.raises(RunError, match="there is no part in nowhere"):
        do(plugged, place)


def test_a_part_with_other_keys_is_not_loaded(place: Workspace) -> None:
    from safetensors.torch import load_file, save_file

    outcome = do(ENCODER_ONLY, place)
    part = outcome.run.folder / "stages" / "encoder" / "result" / "encoder"
    weights = load_file(part / "model.safetensors")
    weights["extra"] = weights.pop("norm.weight")
    save_file(weights, part / "model.safetensors")
    plugged = {**ENCODER_ONLY, "name": "plugged", "seed": 3}
    plugged["stages"] = {"encoder": stage("like", ["encoder"], load={"encoder": str(part)})}
    with pytest.raises(DamagedError, match=r"missing norm.weight; unexpected extra"):
        do(plugged, place)


def test_a_loss_that_is_not_a_number_stops_with_its_place(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from sasrec_llm.encoders.sasrec import SASRec

    real, calls = SASRec.score, []

    def broken(self: SASRec, histories: Any, candidates: Any) -> Any:
        calls.append(1)
        return real(self, histories, candidates) * (1 if len(calls) < 6 else float("nan"))

    monkeypatch.setattr(SASRec, "score", broken)
    with pytest.raises(NonFiniteError, match=r"stage encoder, step \d+, learning rate .*: the loss is nan") as caught:
        do(ENCODER_ONLY, place)
    assert caught.value.exit_code == 3
    (failed,) = place.runs.glob("*/stages/encoder/failed.json")
    about = read_json(failed)
    assert f"step {about['step']}" in str(caught.value)
    assert len(about["rows"]) > 0
    (named,) = place.runs.glob("*/stages/encoder/checkpoints/*")
    assert str(named) in str(caught.value), "the last good checkpoint"


def test_a_gradient_that_explodes_changes_nothing_and_long_ones_are_counted(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = {**ENCODER_ONLY, "stages": {"encoder": stage("like", ["encoder"], epochs=2, clip=1e-6)}}
    outcome = do(recipe, place)
    assert read_json(outcome.run.folder / "metrics.json")["stages"]["encoder"]["clipped_steps"] == 6
    monkeypatch.setattr("sasrec_llm.train.optimiser.get_total_norm", lambda *_: torch.tensor(float("inf")))
    with pytest.raises(NonFiniteError, match=r"the gradient of the loss 0\.\d+ is inf"):
        do({**recipe, "seed": 3}, place)


def test_scores_that_are_all_alike_are_warned_of(
    place: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from sasrec_llm.encoders.sasrec import SASRec

    do(ENCODER_ONLY, place)
    assert "answers every question alike" not in caplog.text
    real = SASRec.score
    monkeypatch.setattr(SASRec, "score", lambda self, h, c: real(self, h, c) * 0)
    do({**ENCODER_ONLY, "seed": 3}, place)
    assert "alone answers every question alike" in caplog.text


def test_two_processes_do_not_work_on_one_run(place: Workspace) -> None:
    outcome = do(ENCODER_ONLY, place)
    with outcome.run.lock(), pytest.raises(LockedError, match=rf"process {os.getpid()} on .* is working on") as caught:
        do(ENCODER_ONLY, place)
    assert caught.value.exit_code == 75
    do(ENCODER_ONLY, place)


@given(st.integers(1, 50), st.integers(1, 20), st.integers(0, 5))
def test_every_pass_sees_every_row_once_in_a_new_order(rows: int, batch: int, seed: int) -> None:
    order = Order(rows=np.arange(rows), batch_size=batch, seed=seed, stage="s")
    passes = [
        np.concatenate([order.rows(number * order.steps_per_pass + step) for step in range(order.steps_per_pass)])
        for number in range(2)
    ]
    assert all(sorted(found) == list(range(rows)) for found in passes)
    again = Order(rows=np.arange(rows), batch_size=batch, seed=seed, stage="s")
    assert again.rows(order.steps_per_pass).tolist() == order.rows(order.steps_per_pass).tolist()
    if rows > 10:
        assert passes[0].tolist() != passes[1].tolist()


def test_dropout_depends_on_the_step_alone() -> None:
    order = Order(rows=np.arange(5), batch_size=2, seed=1, stage="s")
    torch.manual_seed(order.seed(3))
    one = torch.rand(4)
    torch.rand(100)
    torch.manual_seed(order.seed(3))
    assert torch.equal(one, torch.rand(4))
    torch.manual_seed(order.seed(4))
    assert not torch.equal(one, torch.rand(4))


def test_the_learning_rate_rises_then_falls_over_the_whole_stage() -> None:
    it = Stage(objective="x", train=["y"], lr=1e-3, min_lr=8e-5, warmup_lr=1e-5, warmup_steps=200)
    rates = [scale(it, it.lr, step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(1e-5)
    assert rates[200] == pytest.approx(1e-3)
    assert all(a < b for a, b in itertools.pairwise(rates[:201])), "no saw-tooth between epochs"
    assert all(a > b for a, b in itertools.pairwise(rates[200:]))
    assert rates[-1] == pytest.approx(8e-5, rel=0.01)
    assert scale(it, 5e-3, 200, 1000) == pytest.approx(5e-3), "a part may have its own peak"


def test_early_stopping_keeps_the_best_epoch(place: Workspace, demo: Interactions) -> None:
    recipe = {**ENCODER_ONLY, "stages": {"encoder": stage("like", ["encoder"], epochs=40, patience=2, lr=0.3)}}
    outcome = do(recipe, place)
    facts = read_json(outcome.run.folder / "stages" / "encoder" / "result" / "stage.json")
    assert facts["stopped_early"]
    assert facts["epochs"] == facts["best_epoch"] + 2
    valid = outcome.tables["valid"][0].values("alone")["auc"]
    assert valid == pytest.approx(facts["best"]), "what is scored is the best epoch, not the last"


def test_a_guarded_stage_cannot_make_things_worse(place: Workspace) -> None:
    good = stage("like", ["encoder"], epochs=8, epoch_steps=30, batch_size=256)
    ruin = stage("like", ["encoder"], epochs=2, lr=1.0, guard=True)
    outcome = do({**ENCODER_ONLY, "stages": {"good": good, "ruin": ruin}}, place)
    facts = read_json(outcome.run.folder / "stages" / "ruin" / "result" / "stage.json")
    assert facts["best_epoch"] == 0
    systems = outcome.tables["test"][0].systems
    assert systems["alone"] == systems["after good: like"]


def test_a_folder_is_published_whole_or_not_at_all(tmp_path: Path) -> None:
    def fail() -> None:
        with new_folder(tmp_path / "x") as draft:
            write_json(draft / "a.json", 1)
            raise Crash

    with pytest.raises(Crash):
        fail()
    assert list(tmp_path.iterdir()) == []
    for value in (1, 2):
        with new_folder(tmp_path / "x") as draft:
            write_json(draft / "a.json", value)
    assert read_json(tmp_path / "x" / "a.json") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    verify(tmp_path / "x")
    (tmp_path / "x" / "a.json").write_text("3")
    with pytest.raises(DamagedError, match=r"a.json is damaged"):
        verify(tmp_path / "x")


def test_a_hash_that_is_known_is_not_taken_again(tmp_path: Path) -> None:
    known: dict[str, str] = {}
    with new_folder(tmp_path / "x", known) as draft:
        write_json(draft / "a.json", 1)
        write_json(draft / "b.json", 1)
        known["a.json"] = "of something else"
    with pytest.raises(DamagedError, match=r"a.json is damaged"):
        verify(tmp_path / "x")
