"""One run's folder as records. Reads what any version of srl wrote: figures without intervals are figures still."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from sasrec_llm.durable import read_json
from sasrec_llm.evaluation.bootstrap import Difference, Figure
from sasrec_llm.evaluation.examiner import Cost
from sasrec_llm.evaluation.results import Table
from sasrec_llm.protocols import METRIC
from sasrec_llm.report.records import Kind, Source, Stage, Training
from sasrec_llm.runs import Run
from sasrec_llm.runs.manifest import environment

COUNTS = ("uauc_users", "repeats")  # of a table, beside rows and users
PIECES = 60  # points of a stage's curve of losses


@dataclass(frozen=True, slots=True)
class Reading:
    """What a run's folder says; systems under the names of the page."""

    folder: Path
    label: str  # of the recipe's own system
    data: Mapping[str, str]
    systems: Mapping[str, Kind]
    renamed: Mapping[str, str]  # name on the page -> name in the folder
    test: list[Table]
    valid: list[Table]
    answers: Mapping[str, Mapping[str, list[int]]]
    costs: Mapping[str, Cost]
    training: Training
    reference: str  # what differences are from
    untuned: bool  # a language model asked in words, and nothing trained
    source: Source


def read_run(folder: Path, label: str = "") -> Reading:
    """`label`: what its own system is called beside other runs; its stages then carry that name too."""
    run = Run(folder)
    metrics, resolved, costs = run.metrics(), run.resolved(), run.costs()
    own = metrics["system"]
    names: dict[str, str] = {}
    systems: dict[str, Kind] = {}
    for name in next((table["systems"] for table in metrics["test"]), {}):
        shown, kind = name, kind_of(name, own)
        if label and kind != "floor":
            shown = f"{label} {name}" if kind == "stage" else label + name.removeprefix(own)
        names[name], systems[shown] = shown, kind
    return Reading(
        folder=folder,
        label=label or own,
        data=metrics["data"],
        systems=systems,
        renamed={shown: name for name, shown in names.items()},
        test=[read_table(table, names) for table in metrics["test"]],
        valid=[read_table(table, names) for table in metrics["valid"]],
        answers={names[name]: counts for name, counts in metrics.get("answers", {}).get("test", {}).items()},
        costs={names[name]: Cost(**cost) for name, cost in costs["systems"].items() if name in names},
        training=Training(label or own, metrics["seed"], list(read_stages(folder, metrics, resolved, costs))),
        reference=metrics.get("reference", ""),
        untuned=resolved["strategy"]["use"] == "text-prompt" and not resolved["stages"],
        source=read_source(folder, resolved),
    )


def kind_of(name: str, own: str) -> Kind:
    if name == own:
        return "system"
    if name.startswith(f"{own} with "):
        return "ablation"
    return "stage" if name.startswith("after ") else "floor"


def read_table(table: Mapping[str, Any], names: Mapping[str, str] = MappingProxyType({})) -> Table:
    """`names`: a system's name in the folder -> its name on the page, where that is another."""
    return Table(
        table["subset"],
        table["rows"],
        table["users"],
        {key: table[key] for key in COUNTS if key in table},
        {
            names.get(system, system): {metric: _figure(value) for metric, value in values.items()}
            for system, values in table["systems"].items()
        },
        {
            system: {metric: Difference(**value) for metric, value in values.items()}
            for system, values in table.get("differences", {}).items()
        },
    )


def _figure(value: float | Mapping[str, float | None] | None) -> Figure:
    """Since version 2 a figure has an interval; before, it was a number."""
    return Figure(**value) if isinstance(value, Mapping) else Figure(value)


def read_stages(
    folder: Path, metrics: Mapping[str, Any], resolved: Mapping[str, Any], costs: Mapping[str, Any]
) -> Iterable[Stage]:
    logged = read_log(folder / "log.jsonl")
    for name, about in metrics.get("stages", {}).items():
        validated, losses = logged.get(name, ([], []))
        yield Stage(
            name=name,
            objective=about["objective"],
            trained=about.get("trained_parameters", {}),
            metric=resolved["stages"].get(name, {}).get("metric") or METRIC[metrics["data"]["task"]],
            best_epoch=about.get("best_epoch"),
            epochs=about.get("epochs"),
            stopped_early=about.get("stopped_early", False),
            seconds=costs["stages"].get(name, {}).get("total_seconds"),
            validated=validated,
            losses=smooth(losses),
        )


Logged = tuple[list[tuple[float, Mapping[str, float]]], list[tuple[float, float]]]


def read_log(path: Path) -> dict[str, Logged]:
    """Stage -> what validation said, and the loss of every step, each by epoch."""
    found: dict[str, Logged] = defaultdict(lambda: ([], []))
    if not path.is_file():
        return found
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            if not line.endswith("}\n"):  # the last line of a process that was killed
                continue
            entry = json.loads(line)
            validated, losses = found[entry["stage"]]
            epoch = float(entry.get("epoch", 0.0))
            if entry["event"] == "evaluated":
                values = {key: value for key, value in entry.items() if isinstance(value, float) and key != "epoch"}
                validated.append((epoch, values))
            elif "loss" in entry:
                losses.append((epoch, float(entry["loss"])))
    return found


def smooth(losses: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The mean of each of at most `PIECES` runs of steps, at the epoch at which it ends."""
    if len(losses) <= PIECES:
        return losses
    pieces = np.array_split(np.array(losses), PIECES)
    return [(float(piece[-1, 0]), float(piece[:, 1].mean())) for piece in pieces]


def read_source(folder: Path, resolved: Mapping[str, Any]) -> Source:
    given, manifest = folder / "recipe.toml", folder / "manifest.json"
    return Source(
        run=folder.name,
        recipe=given.read_text(encoding="utf-8") if given.is_file() else "",
        resolved=json.dumps(resolved, indent=2, ensure_ascii=False),
        environment=list(environment(read_json(manifest))) if manifest.is_file() else [],
    )
