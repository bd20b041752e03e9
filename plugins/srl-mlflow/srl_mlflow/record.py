"""One run of srl as one run of MLflow."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from sasrec_llm import RunInfo, StageInfo
from srl_mlflow.names import flat, key

TAG = "srl.run"
FILES = (
    "recipe.toml", "resolved.json", "manifest.json", "log.jsonl",
    "metrics.json", "costs.json", "report.txt", "report.html",
)  # fmt: skip
POINTS = 1000  # of each metric and stage, at most; log.jsonl has every step
EVERY = 5.0  # seconds until what is waiting is sent
MOST_METRICS, MOST_PARAMS = 1000, 100  # that MLflow takes in one call


class Record:
    """Found again by its tag, or begun. What it has of an interrupted stage is not sent a second time."""

    def __init__(self, run: RunInfo) -> None:
        self._client, self._folder = MlflowClient(), run.folder
        experiment = experiment_id(self._client)
        found = self._client.search_runs([experiment], f"tags.`{TAG}` = '{run.name}'", max_results=1)
        begun = found[0] if found else self._client.create_run(experiment, run_name=run.name, tags={TAG: run.name})
        self._id = begun.info.run_id
        self._client.update_run(self._id, status="RUNNING")
        self._sent: dict[str, int] = {}  # metric -> its last step
        self._waiting: list[Metric] = []
        self._flushed = time.monotonic()
        self._write_params(begun.data.params)
        self._upload()

    def begin(self, stage: StageInfo) -> None:
        names = [name for name in self._client.get_run(self._id).data.metrics if name.startswith(key(stage.name, ""))]
        for name in names:
            self._sent[name] = max(metric.step for metric in self._client.get_metric_history(self._id, name))

    def log(self, stage: StageInfo, step: int, values: Mapping[str, float]) -> None:
        """`epoch` is no metric: it is the step by another name."""
        if step % math.ceil(stage.epochs * stage.steps / POINTS) == 0:
            self._add(step, {key(stage.name, name): value for name, value in values.items() if name != "epoch"})

    def evaluated(self, stage: StageInfo, split: str, metrics: Mapping[str, float]) -> None:
        step = int(metrics["epoch"]) * stage.steps
        self._add(step, {key(stage.name, split, name): value for name, value in metrics.items() if name != "epoch"})

    def keep(self, stage: StageInfo, checkpoint: Path) -> None:
        if os.environ.get("SRL_MLFLOW_PARTS") == "1":
            self._client.log_artifacts(self._id, str(checkpoint), f"stages/{stage.name}")

    def finish(self, metrics: Mapping[str, Mapping[str, float | None]]) -> None:
        for subset, figures in metrics.items():
            self._add(0, {key("test", subset, name): value for name, value in figures.items() if value is not None})
        self.end("FINISHED")

    def end(self, status: str) -> None:
        self._flush()
        self._upload()
        self._client.set_terminated(self._id, status=status)

    def _write_params(self, known: Mapping[str, str]) -> None:
        """MLflow lets no parameter change: those of a run that goes on with other versions stay as they were."""
        recipe, manifest = (
            json.loads((self._folder / f"{name}.json").read_text("utf-8")) for name in ("resolved", "manifest")
        )
        plugins = {name: version for name, version in manifest["plugins"].items() if version != "-"}  # of no package
        versions = {"python": manifest["python"], **manifest["versions"], **plugins}
        told = flat({**recipe, "versions": versions}) | {"data.sha256": manifest["data"]["sha256"]}
        params = [Param(name, value) for name, value in told.items() if name not in known]
        for start in range(0, len(params), MOST_PARAMS):
            self._client.log_batch(self._id, params=params[start : start + MOST_PARAMS])

    def _add(self, step: int, values: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        new = [Metric(name, value, now, step) for name, value in values.items() if step > self._sent.get(name, -1)]
        if len(self._waiting) + len(new) > MOST_METRICS or time.monotonic() - self._flushed > EVERY:
            self._flush()
        self._waiting += new

    def _flush(self) -> None:
        self._client.log_batch(self._id, metrics=self._waiting)
        self._waiting, self._flushed = [], time.monotonic()

    def _upload(self) -> None:
        for path in (self._folder / name for name in FILES):
            if path.is_file():
                self._client.log_artifact(self._id, str(path))


def experiment_id(client: MlflowClient) -> str:
    """As MLflow's own environment says."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME")
    if not name:
        return os.environ.get("MLFLOW_EXPERIMENT_ID") or "0"
    found = client.get_experiment_by_name(name)
    return found.experiment_id if found else client.create_experiment(name)
