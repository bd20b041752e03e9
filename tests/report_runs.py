"""Finished runs to report on: small ones on the demo data, made once for the session."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sasrec_llm.experiment import run
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe_check import check_recipe
from sasrec_llm.report.write import write_report
from sasrec_llm.runs import Workspace

STAGE = {"train": ["encoder"], "epochs": 3, "epoch_steps": 3, "batch_size": 32, "patience": 1, "lr": 0.05}
LIKE: dict[str, Any] = {
    "name": "likes",
    "data": {"use": "demo", "protocol": "temporal"},
    "encoder": {"use": "mf", "width": 4},
    "strategy": {"use": "encoder-only"},
    "stages": {"first": {"objective": "like", **STAGE}, "second": {"objective": "like", **STAGE}},
}
NEXT: dict[str, Any] = {
    "name": "next",
    "data": {"use": "demo", "protocol": "temporal", "task": "next-item"},
    "encoder": {"use": "mf", "width": 4},
    "strategy": {"use": "encoder-only"},
    "stages": {"only": {"objective": "next-item", **STAGE}},
}
UNTRAINED: dict[str, Any] = {
    "name": "means",
    "data": {"use": "demo", "protocol": "temporal"},
    "encoder": {"use": "item-mean"},
    "strategy": {"use": "encoder-only"},
    "stages": {"fit": {"objective": "fit", "train": ["encoder"]}},
}


def make_runs(folder: Path, demo: Path, plugins: Plugins) -> dict[str, Path]:
    """Name -> run folder, beside `data/demo`; all of them with intervals. Only the first is as `srl run` leaves it."""
    shutil.copytree(demo, folder / "data" / "demo")
    place = Workspace(folder / "data", folder / "runs", folder / "cache")
    found: dict[str, Path] = {}
    for table in (LIKE, NEXT, UNTRAINED):
        with pytest.MonkeyPatch.context() as patch:
            if found:  # drawing takes longer than all the rest
                patch.setattr("sasrec_llm.experiment.draw", lambda *_: None)
            outcome = run(check_recipe(table, "test", plugins), '# <b>"test"</b>\nname = "x"\n', place, plugins)
        with_intervals(outcome.run.folder)
        found[table["name"]] = outcome.run.folder
    twin = found["likes"].with_name("2026-11-21-likes-000007")
    found["likes-7"] = shutil.copytree(found["likes"], twin)
    return found


def make_pages(runs: dict[str, Path], folder: Path, plugins: Plugins) -> dict[str, Path]:
    wanted = {"one": ("likes",), "next": ("next",), "several": ("likes", "likes-7", "means")}
    data = runs["likes"].parent.parent / "data"
    return {
        name: write_report([runs[run] for run in of], folder / f"{name}.html", datasets=data, plugins=plugins)
        for name, of in wanted.items()
    }


def with_intervals(folder: Path) -> None:
    """Make metrics.json what version 2 writes, if it is not."""

    def estimate(value: Any) -> Any:
        if value is None or isinstance(value, dict):
            return value or {"value": None, "low": None, "high": None}
        return {"value": value, "low": value * 0.97, "high": value * 1.03}

    rewrite(folder, estimate)


def without_intervals(folder: Path) -> None:
    """Make metrics.json what version 1 wrote."""
    rewrite(folder, lambda value: value["value"] if isinstance(value, dict) else value)


def rewrite(folder: Path, figure: Any) -> None:
    metrics = json.loads((folder / "metrics.json").read_text())
    for table in [*metrics["test"], *metrics["valid"]]:
        table["systems"] = {
            system: {metric: figure(value) for metric, value in values.items()}
            for system, values in table["systems"].items()
        }
    (folder / "metrics.json").write_text(json.dumps(metrics))
