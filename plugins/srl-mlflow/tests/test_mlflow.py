"""Real runs and made-up events, read back from the store by MLflow's own client."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from sasrec_llm import RunInfo, StageInfo, hookimpl
from sasrec_llm.testing import check_plugin, run_recipe

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")

RECIPE = """
name = "tracked"
data.use = "demo"
encoder = { use = "sasrec", width = 8, heads = 1, blocks = 1, max_length = 5 }
strategy.use = "encoder-only"
evaluate = { metrics = ["auc"], subsets = ["all"], floors = ["constant"] }
[stages.encoder]
objective = "like"
train = ["encoder"]
epochs = 20
epoch_steps = 3
batch_size = 8
valid_rows = 20
checkpoint_every = 15
"""
STEPS = list(range(1, 61))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with nothing in it: MLflow makes its tables in seconds."""
    path = tmp_path_factory.mktemp("store") / "store.db"
    mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    shutil.copy(empty, tmp_path / "store.db")
    uri = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "tracking")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return uri


def only_run(uri: str):
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("tracking")
    (run,) = client.search_runs([experiment.experiment_id])
    return client, run


def steps(client, run, name: str) -> list[int]:
    return [metric.step for metric in client.get_metric_history(run.info.run_id, name)]


class Stops:
    """Presses Ctrl-C in the third epoch."""

    @hookimpl
    def srl_logged(self, step: int) -> None:
        if step == 8:
            signal.raise_signal(signal.SIGINT)


def test_a_run_stopped_by_ctrl_c_goes_on_in_the_same_run_and_all_of_it_is_there(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRL_DISABLE_PLUGINS", "")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start without one
    with pytest.raises(KeyboardInterrupt):
        run_recipe(RECIPE, Stops(), folder=tmp_path)
    client, run = only_run(store)
    assert run.info.status == "KILLED"
    assert 6 <= len(steps(client, run, "encoder/loss")) < 60

    run_recipe(RECIPE, folder=tmp_path)
    (folder,) = (tmp_path / "runs").glob("[!.]*")
    client, run = only_run(store)
    assert (run.info.status, run.info.run_name) == ("FINISHED", folder.name)
    assert steps(client, run, "encoder/loss") == STEPS
    assert steps(client, run, "encoder/lr") == STEPS
    assert steps(client, run, "encoder/valid/auc") == STEPS[2::3]
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    losses = [metric.value for metric in client.get_metric_history(run.info.run_id, "encoder/loss")]
    assert losses == [entry["loss"] for entry in log if entry["event"] == "step"]

    (told, *_) = json.loads((folder / "metrics.json").read_text())["test"]
    assert run.data.metrics["test/all/auc"] == told["systems"]["tracked"]["auc"]["value"]
    assert run.data.params["stages.encoder.epochs"] == "20"
    assert run.data.params["stages.encoder.train"] == '["encoder"]'
    assert run.data.params["encoder.use"] == "sasrec"
    assert run.data.params["data.sha256"] == json.loads((folder / "manifest.json").read_text())["data"]["sha256"]
    assert {"versions.torch", "versions.sasrec-llm", "versions.srl-mlflow"} <= set(run.data.params)
    kept = {entry.path for entry in client.list_artifacts(run.info.run_id)}
    assert kept == {
        path.name for path in folder.iterdir() if path.suffix in (".toml", ".json", ".jsonl", ".txt", ".html")
    }


STAGE = StageInfo("2026-01-02-made-abcdef", "first", 1, 1, "like", {"encoder": 3}, 2, 2500, "auc")


@pytest.fixture(params=["sqlite", "files"])
def made(request: pytest.FixtureRequest, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunInfo:
    """A run's folder as srl leaves it, with little in it."""
    if request.param == "files":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "files").as_uri())
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    folder = tmp_path / "runs" / STAGE.run
    (folder / "stages/first/result/encoder").mkdir(parents=True)
    (folder / "stages/first/result/encoder/component.json").write_text("{}")
    recipe = {"name": "made", "encoder": {f"setting-{number}": number for number in range(150)}}
    (folder / "resolved.json").write_text(json.dumps(recipe))
    manifest = {"python": "3", "versions": {"torch": "2"}, "plugins": {"progress": "-"}, "data": {"sha256": "1f"}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return RunInfo(STAGE.run, folder)


def test_what_fails_is_failed_until_it_goes_on_and_long_stages_are_thinned(made: RunInfo) -> None:
    import srl_mlflow as plugin

    plugin.srl_run_started(made)
    plugin.srl_stage_started(STAGE)
    for step in range(1, 2501):
        plugin.srl_logged(STAGE, step, {"loss": 1 / step, "epoch": step / 2500})
    plugin.srl_run_failed(made, RuntimeError("no"))
    client, run = only_run(os.environ["MLFLOW_TRACKING_URI"])
    assert run.info.status == "FAILED"
    assert steps(client, run, "first/loss") == list(range(5, 2501, 5)), "at most 1,000 points of 5,000"
    assert len(run.data.params) == 154
    assert "first/epoch" not in run.data.metrics

    plugin.srl_run_started(made)
    plugin.srl_stage_started(STAGE)
    for step in range(2496, 5001):  # from its last checkpoint
        plugin.srl_logged(STAGE, step, {"loss": 1 / step})
    plugin.srl_evaluated(STAGE, "valid", {"epoch": 2.0, "ndcg@10": 0.5})
    plugin.srl_run_finished(made, {"all": {"auc": 0.75, "uauc": None}, "history-50+": {"auc": 0.5}})
    client, run = only_run(os.environ["MLFLOW_TRACKING_URI"])
    assert run.info.status == "FINISHED"
    assert steps(client, run, "first/loss") == list(range(5, 5001, 5))
    assert steps(client, run, "first/valid/ndcg_at_10") == [5000]
    assert run.data.metrics["test/all/auc"] == 0.75
    assert run.data.metrics["test/history-50_/auc"] == 0.5
    assert "test/all/uauc" not in run.data.metrics


def test_parts_are_sent_on_request_and_trials_are_not_recorded(made: RunInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    import srl_mlflow as plugin

    check_plugin(plugin)
    monkeypatch.setenv("SRL_MLFLOW_PARTS", "1")
    plugin.srl_run_started(made)
    trial = StageInfo("trial-1", "first", 1, 1, "like", {}, 1, 1, "auc")
    plugin.srl_stage_started(trial)
    plugin.srl_logged(trial, 1, {"loss": 1.0})
    plugin.srl_stage_finished(STAGE, made.folder / "stages/first/result")
    plugin.srl_run_finished(made, {})
    client, run = only_run(os.environ["MLFLOW_TRACKING_URI"])
    assert run.data.metrics == {}
    (part,) = client.list_artifacts(run.info.run_id, "stages/first/encoder")
    assert part.path == "stages/first/encoder/component.json"
