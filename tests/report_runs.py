"""Finished runs to report on: small ones on the demo data, made once for the session."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sasrec_llm.comparison import compare, grouped
from sasrec_llm.experiment import run
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.report.write import write_comparison, write_report
from sasrec_llm.runs import Run, Workspace
from tests.floors_once import floors_once

DRAWS = "sasrec_llm.evaluation.bootstrap.DRAWS"  # fewer make intervals rough and tests quick
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
    """Name -> run folder, beside `data/demo`. Only the first has its page; "likes-7" has the same answers."""
    shutil.copytree(demo, folder / "data" / "demo")
    place = Workspace(folder / "data", folder / "runs", folder / "cache")
    found: dict[str, Path] = {}
    for table in (LIKE, NEXT, UNTRAINED):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(DRAWS, 20)
            patch.setattr("sasrec_llm.experiment.floors", floors_once)
            if found:  # drawing takes longer than all the rest
                patch.setattr("sasrec_llm.report.write.write_report", lambda *_, **__: None)
            outcome = run(check_recipe(table, "test", plugins), '# <b>"test"</b>\nname = "x"\n', place, plugins)
        found[table["name"]] = outcome.run.folder
    twin = found["likes"].with_name("2026-11-21-likes-000007")
    found["likes-7"] = shutil.copytree(found["likes"], twin)
    resolved = json.loads((twin / "resolved.json").read_text())
    (twin / "resolved.json").write_text(json.dumps(resolved | {"seed": 7}))
    return found


def make_pages(runs: dict[str, Path], folder: Path, plugins: Plugins) -> dict[str, Path]:
    """Of one run, of one that asks what comes next, of several."""
    base = runs["likes"].parent.parent
    found = {name: folder / f"{name}.html" for name in ("one", "next", "several")}
    write_report(runs["likes"], found["one"], datasets=base / "data", plugins=plugins)
    write_report(runs["next"], found["next"], datasets=base / "data", plugins=plugins)
    write_comparison(
        compared(runs, plugins), found["several"], runs=base / "runs", datasets=base / "data", plugins=plugins
    )
    return found


def compared(runs: dict[str, Path], plugins: Plugins) -> dict[str, Any]:
    base = runs["likes"].parent.parent
    place = Workspace(base / "data", base / "runs", base / "cache")
    members = grouped([Run(runs[name]) for name in ("likes", "likes-7", "means")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DRAWS, 20)
        return compare(members, ["all", "warm", "cold"], place, plugins, stages=True).dump()


def without_intervals(folder: Path) -> None:
    """Make metrics.json what version 1 wrote."""
    metrics = json.loads((folder / "metrics.json").read_text())
    for table in [*metrics["test"], *metrics["valid"]]:
        table["systems"] = {
            system: {metric: found["value"] for metric, found in values.items() if metric not in ("brier", "ece")}
            for system, values in table["systems"].items()
        }
    for table in [*metrics["test"], *metrics["valid"]]:
        table.pop("differences", None)
    for key in ("version", "reference"):
        del metrics[key]
    (folder / "costs.json").unlink()
    (folder / "metrics.json").write_text(json.dumps(metrics))
