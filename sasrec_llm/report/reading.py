"""One run's folder as records. Reads what any version of srl wrote: figures without intervals are figures still."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sasrec_llm.durable import read_json
from sasrec_llm.evaluate.subsets import MEANING
from sasrec_llm.recipe import METRIC
from sasrec_llm.report.records import Cost, Difference, Estimate, Kind, Results, Source, Stage, Training
from sasrec_llm.report.tables import title

PIECES = 60  # points of a stage's curve of losses


@dataclass(frozen=True, slots=True)
class Reading:
    """What a run's folder says; systems under the names of the page."""

    folder: Path
    label: str  # of the recipe's own system
    data: Mapping[str, str]
    systems: Mapping[str, Kind]
    renamed: Mapping[str, str]  # name on the page -> name in the folder
    test: list[Results]
    valid: list[Results]
    answers: Mapping[str, Mapping[str, list[int]]]
    costs: Mapping[str, Cost]
    training: Training
    untuned: bool  # a language model asked in words, and nothing trained
    source: Source


def read_run(folder: Path, label: str = "", alone: bool = True) -> Reading:
    """`label`: what its own system is called on the page; beside other runs, its stages carry that name too."""
    metrics, resolved = read_json(folder / "metrics.json"), read_json(folder / "resolved.json")
    own = metrics["system"]
    label = label or own
    names: dict[str, str] = {}
    systems: dict[str, Kind] = {}
    for name in next((table["systems"] for table in metrics["test"]), {}):
        shown, kind = name, kind_of(name, own)
        if kind in ("system", "ablation"):
            shown = label + name.removeprefix(own)
        elif kind == "stage" and not alone:
            shown = f"{label} {name}"
        names[name], systems[shown] = shown, kind
    return Reading(
        folder=folder,
        label=label,
        data=metrics["data"],
        systems=systems,
        renamed={shown: name for name, shown in names.items()},
        test=[read_results(table, names) for table in metrics["test"]],
        valid=[read_results(table, names) for table in metrics["valid"]],
        answers={names[name]: counts for name, counts in metrics.get("answers", {}).get("test", {}).items()},
        costs={names[name]: Cost(**cost) for name, cost in metrics.get("cost", {}).items() if name in names},
        training=Training(label, list(read_stages(folder, metrics, resolved))),
        untuned=resolved["strategy"]["use"] == "text-prompt" and not resolved["stages"],
        source=read_source(folder, resolved),
    )


def kind_of(name: str, own: str) -> Kind:
    if name == own:
        return "system"
    if name.startswith(f"{own} with "):
        return "ablation"
    return "stage" if name.startswith("after ") else "floor"


def read_results(table: Mapping[str, Any], names: Mapping[str, str]) -> Results:
    differences = table.get("differences", {})
    return Results(
        subset=table["subset"],
        rows=table["rows"],
        users=table["users"],
        note=_note(table),
        meaning=MEANING.get(table["subset"], ""),
        small=table.get("small", False),
        systems={
            names.get(system, system): {metric: _estimate(value) for metric, value in values.items()}
            for system, values in table["systems"].items()
        },
        differences={
            names.get(system, system): {metric: Difference(**value) for metric, value in values.items()}
            for system, values in differences.items()
        },
    )


def _estimate(value: float | Mapping[str, float | None] | None) -> Estimate:
    """Since version 2 a figure has an interval; before, it was a number."""
    if isinstance(value, Mapping):
        return Estimate(*(value.get(key) for key in ("value", "low", "high", "sd")))
    return Estimate(value)


def _note(table: Mapping[str, Any]) -> str:
    notes = []
    if "uauc_users" in table:
        notes.append(f"{title('uauc')} over {table['uauc_users']:,} of the users, those with both a like and a dislike")
    if table.get("repeats"):
        notes.append(f"{table['repeats']:,} targets were in the history already and count as misses for every system")
    return "; ".join(notes)


def read_stages(folder: Path, metrics: Mapping[str, Any], resolved: Mapping[str, Any]) -> Iterable[Stage]:
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
            seconds=about.get("total_seconds"),
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


def environment(manifest: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """(label, text); of the command, what came after the program, whose place on the disk is nobody's business."""
    yield "started", manifest["started"].replace("T", " ").replace("+00:00", " UTC")
    yield "command", " ".join(["srl", *manifest["command"][1:]])
    yield "device", manifest["device"]
    yield "platform", f"Python {manifest['python']} · {manifest['platform']}"
    git = manifest.get("git")
    if git:
        yield "git", git["commit"] + (" with uncommitted changes" if git["dirty"] else "")
    yield "packages", " · ".join(f"{name} {version}" for name, version in manifest["versions"].items())
    yield "plugins", " · ".join(f"{name} {version}" for name, version in manifest["plugins"].items() if version != "-")
