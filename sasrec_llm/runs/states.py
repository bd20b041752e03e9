"""What is in the folder of runs, finished or not: runs, suites, searches, and how far each is."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from sasrec_llm.durable import read_json
from sasrec_llm.errors import DamagedError, RunError
from sasrec_llm.locks import at_work
from sasrec_llm.plugins import suggestion
from sasrec_llm.protocols import METRIC
from sasrec_llm.runs import FAILURE, Run

Kind = Literal["run", "suite", "search"]
State = Literal["finished", "running", "interrupted", "failed", "damaged"]
MARKS: dict[str, Kind] = {  # file -> of what it is
    "resolved.json": "run", "comparison.json": "suite", "study.journal": "search", "best.toml": "search"
}  # fmt: skip
UNREADABLE = (DamagedError, LookupError, TypeError, AttributeError)  # what comes of files that are not ours
NAMED = re.compile(r"(?:[\d-]{11}(?:suite-)?|tune-)(.+)-\w{6}")  # date, recipe, hash


@dataclass(frozen=True, slots=True)
class Standing:
    """A folder of a run, a suite or a search, and how far it is."""

    name: str
    folder: Path
    kind: Kind
    recipe: str
    data: str
    started: str  # ISO, UTC
    state: State
    detail: str = ""  # where it is, or why it failed
    by: str = ""  # the process that is running it
    metric: str = ""
    figure: float | None = None  # of a run, on test


def standings(runs: Path) -> list[Standing]:
    """The oldest first."""
    found = []
    for path in runs.glob("[!.]*"):
        with contextlib.suppress(FileNotFoundError):  # it is just being removed
            if path.is_dir() and (one := standing(path)):
                found.append(one)
    return sorted(found, key=lambda one: (one.started, one.name))


def standing(folder: Path) -> Standing | None:
    """None where the folder is none of ours."""
    mark = next((mark for mark in MARKS if (folder / mark).is_file()), None)
    if mark is None:
        return None
    changed = datetime.fromtimestamp((folder / mark).stat().st_mtime, UTC).isoformat(timespec="seconds")
    named = NAMED.fullmatch(folder.name)
    recipe, data, started, metric, figure = named[1] if named else folder.name, "", changed, "", None
    by = at_work(folder)
    state: State
    try:
        if MARKS[mark] == "run":
            run = Run(folder)
            resolved = run.resolved()
            recipe, data = resolved["name"], f"{resolved['data']['use']} ({resolved['data']['protocol']})"
            if (folder / "manifest.json").is_file():
                started = run.manifest()["started"]
            state, detail = progress(run, resolved, by)
            if state == "finished":
                metric, figure = main_figure(run.metrics())
        elif MARKS[mark] == "suite":
            comparison = read_json(folder / mark)
            state, detail = "finished", f"compares {len(comparison['members'])} systems"
            data = f"{comparison['data']['name']} ({comparison['data']['protocol']})"
        else:
            state, detail = search_progress(folder, by)
    except UNREADABLE as error:
        state = "damaged"
        detail = str(error) if isinstance(error, DamagedError) else f"what it says of itself cannot be used: {error}"
    return Standing(folder.name, folder, MARKS[mark], recipe, data, started, state, detail, by, metric, figure)


def progress(run: Run, resolved: Mapping[str, Any], by: str) -> tuple[State, str]:
    stages: Mapping[str, Any] = resolved["stages"]
    at = next((name for name in stages if not (run.stage(name) / "result" / "stage.json").is_file()), None)
    if at is None:
        where = "its figures"
    else:
        where = f"stage {list(stages).index(at) + 1} of {len(stages)}, {at}"
        if done := epochs_done(run.stage(at)):
            where += f", epoch {done} of {stages[at]['epochs']}"
    if by:
        return "running", where
    if (run.folder / "metrics.json").is_file():
        return "finished", ""
    if (run.folder / FAILURE).is_file():
        return "failed", " ".join(read_json(run.folder / FAILURE)["message"].split())
    return "interrupted", where


def epochs_done(stage: Path) -> int:
    """Those that need not be done again."""
    kept = sorted(path.name for path in (stage / "checkpoints").glob("[0-9]*"))
    return int(kept[-1].split("-")[0]) if kept else 0


def search_progress(folder: Path, by: str) -> tuple[State, str]:
    best = folder / "best.toml"
    found = best.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ") if best.is_file() else ""
    if by:
        return "running", found
    if (folder / FAILURE).is_file():
        return "failed", " ".join(read_json(folder / FAILURE)["message"].split())
    return ("finished", found) if found else ("interrupted", "no trial has finished")


def main_figure(metrics: Mapping[str, Any]) -> tuple[str, float | None]:
    """The task's own metric, of the recipe's system, on all test rows."""
    whole = next((table for table in metrics["test"] if table["subset"] == "all"), metrics["test"][0])
    figures = whole["systems"][metrics["system"]]
    metric = METRIC[metrics["data"].get("task", "like")]
    metric = metric if metric in figures else next(iter(figures), metric)
    return metric, value_of(figures[metric])


def value_of(found: Any) -> float | None:
    """Since version 2 a figure has an interval; before, it was a number."""
    return found["value"] if isinstance(found, Mapping) else found  # type: ignore[no-any-return]


def find_standing(runs: Path, name: str | None) -> Standing:
    """By folder, by name, by that of the recipe, or by a part; the latest without a name. One, or an error."""
    if name and Path(name).is_dir() and (found := standing(Path(os.path.abspath(name)))):
        return found
    known = standings(runs)
    if not known:
        raise RunError(f"there is no run in {runs}", hint="Run: srl run RECIPE")
    if name is None:
        return known[-1]
    return one(known, name, runs)


def one(known: Sequence[Standing], name: str, runs: Path) -> Standing:
    found = [one for one in known if one.name == name] or [one for one in known if one.recipe == name]
    found = found or [one for one in known if name in one.name]
    if len(found) == 1:
        return found[0]
    names = [one.name for one in found or known]
    what = "more than one run matches" if found else "no run matches"
    close = "" if found else suggestion(name, names)
    raise RunError(f"{what} {name!r}{close} in {runs}: {', '.join(names[-5:])}", hint="List them: srl runs ls")
