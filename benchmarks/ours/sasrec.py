"""SASRec of width 64 and two blocks on ML-1M, leave-one-out: trained target positions a second, seconds of training to
a validation NDCG@10, or users ranked a second."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sasrec_llm.components import BuildContext
from sasrec_llm.data.interactions import Interactions, load_interactions
from sasrec_llm.data.own import OwnData
from sasrec_llm.data.prepare import prepare
from sasrec_llm.data.training import Training
from sasrec_llm.devices import Device, keep_freed_memory
from sasrec_llm.errors import StoppedError
from sasrec_llm.evaluation.examiner import Examiner
from sasrec_llm.evaluation.ranking import NextItemTask
from sasrec_llm.experiment import run
from sasrec_llm.hookspecs import hookimpl
from sasrec_llm.interfaces import StageInfo
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.runs import Workspace
from sasrec_llm.systems import metric

WINDOW, WINDOWS, WARM_UP = 5.0, 4, 5.0  # seconds


class Watch:
    """Counts steps and seconds of training, and stops the run when it has seen enough."""

    def __init__(self, goal: float | None) -> None:
        self.goal = goal
        self.moments: list[float] = []
        self.trained = 0.0
        self.loss = 0.0

    @hookimpl
    def srl_logged(self, stage: StageInfo, step: int, values: Mapping[str, float]) -> None:
        now = time.monotonic()
        if self.moments:
            self.trained += now - self.moments[-1]
        self.moments.append(now)
        self.loss = values["loss"]
        if self.goal is None and self.trained > WARM_UP + WINDOW * WINDOWS:
            raise StoppedError("measured")

    @hookimpl
    def srl_evaluated(self, stage: StageInfo, split: str, metrics: Mapping[str, float]) -> None:
        if self.goal is not None and metrics["ndcg@10"] >= self.goal:
            raise StoppedError("reached")
        self.moments = []  # validation is not training

    def steps_per_second(self) -> float:
        edges = self.moments[0] + WARM_UP + WINDOW * np.arange(WINDOWS + 1)
        return statistics.median(np.diff(np.searchsorted(self.moments, edges)) / WINDOW)


def train(asked: argparse.Namespace, workspace: Workspace, data: Interactions) -> dict[str, Any]:
    plugins, watch = Plugins(), Watch(asked.goal)
    plugins.load()
    plugins.add(watch, "watch")
    recipe = {
        "name": "benchmark",
        "data": {"use": "ml-1m", "protocol": "leave-one-out"},
        "encoder": {
            "use": "sasrec", "width": 64, "blocks": 2, "heads": 1, "dropout": 0.2, "max_length": asked.length,
            "loss": asked.loss, "negatives": 1 if asked.loss == "bce" else 256,
        },
        "strategy": {"use": "encoder-only"},
        "stages": {
            "encoder": {
                "objective": "next-item", "train": ["encoder"], "epochs": 400, "metric": "ndcg@10", "batch_size": 128,
                "lr": asked.lr, "min_lr": asked.lr, **({} if asked.goal else {"epoch_steps": 10**6}),
            }
        },
    }  # fmt: skip
    with contextlib.suppress(StoppedError):
        run(check_recipe(recipe, "benchmark", plugins), "", workspace, plugins)
    if asked.goal is not None:
        return {"value": watch.trained}
    batches = Training(data).batches("sequences", asked.length, 0)
    targets = sum(int((batches.take(part, 0).targets != 0).sum()) for part in np.array_split(batches.index, 64))
    return {"value": watch.steps_per_second() * 128 * targets / len(batches.index), "loss": watch.loss}


def evaluate(asked: argparse.Namespace, data: Interactions, cache: Path) -> dict[str, Any]:
    keep_freed_memory()  # as `srl eval` does
    plugins = Plugins()
    plugins.load()
    component = plugins.get("encoders", "sasrec")
    context = BuildContext(
        n_users=data.n_users, n_items=data.n_items, item_texts=data.titles, seed=0, cache=cache, data=Training(data)
    )
    torch.manual_seed(0)
    encoder = component.make(component.settings(max_length=asked.length, heads=1), context).eval()
    metrics = {name: metric(plugins.get("metrics", name)) for name in ("hr@10", "ndcg@10", "mrr@10")}
    examiner = Examiner(NextItemTask(data, metrics), Device("cpu", False), 512)  # rows at a time, `srl eval`'s default
    rows, seconds = data.of("test"), []
    for _ in range(6):
        began = time.monotonic()
        examiner.figures(encoder, rows, "sasrec", asked.length)
        seconds.append(time.monotonic() - began)
    return {"value": len(rows) / statistics.median(seconds[1:])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", choices=["train", "evaluate"], default="train")
    parser.add_argument("--loss", default="softmax")
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument(
        "--goal", type=float, help="NDCG@10 on validation to stop at; the figure is seconds of training"
    )
    asked = parser.parse_args()
    given = Path(os.environ["SRL_TEST_DATA"]) / "ml-1m-reconstructed" / "ml-1m.zip"
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        workspace, plugins = Workspace(place / "data", place / "runs", place / "cache"), Plugins()
        plugins.load()
        own, folder = OwnData(min_user=5, min_item=5), workspace.data / "ml-1m"
        prepare(plugins.get("sources", "ml-1m"), given=given, folder=folder, cache=workspace.cache, own=own)
        data = load_interactions(folder, "leave-one-out")
        found = evaluate(asked, data, place) if asked.what == "evaluate" else train(asked, workspace, data)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
