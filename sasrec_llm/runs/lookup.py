"""Finding finished runs by what people call them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sasrec_llm.durable import digest, read_json
from sasrec_llm.errors import RunError
from sasrec_llm.runs import Run


def find_run(runs: Path, name: str | None, data_sha: str = "", seed: int | None = None) -> Run:
    """A finished run by folder, by its recipe's name, by a part of its own, or the latest; of those on some data only,
    if its hash is given, and of several the one with this seed."""
    finished = finished_runs(runs, data_sha)
    if name is None:
        if not finished:
            raise RunError(f"there is no finished run in {runs}", hint="Run: srl run RECIPE")
        return finished[-1]
    found = matching(finished, name)
    if len(found) > 1 and seed is not None:
        found = [run for run in found if run.resolved()["seed"] == seed] or found
    if len(found) == 1:
        return found[0]
    known = ", ".join(run.name for run in (found or finished)[-5:]) or "none"
    what = "more than one run matches" if found else "no finished run matches"
    raise RunError(
        f"{what} {name!r}; finished runs{' on this data' if data_sha else ''} in {runs}: {known}",
        hint="List all: srl runs ls",
    )


def find_all(runs: Path, names: Sequence[str]) -> list[Run]:
    """The runs of every name; where a name fits several, those that were asked the same as the first run."""
    found: list[Run] = []
    for name in dict.fromkeys(names):
        found += find_runs(runs, name, asked=question(found[0]) if found else None)
    return found


def question(run: Run) -> tuple[Any, ...]:
    return tuple(run.metrics()["data"].get(key) for key in ("name", "protocol", "task"))


def find_runs(runs: Path, name: str, asked: tuple[Any, ...] | None = None) -> list[Run]:
    """A finished run; of one recipe run with several seeds or folds, all of them; of a suite, all it compared."""
    if Path(name, "comparison.json").is_file():
        members = read_json(Path(name, "comparison.json"))["members"]
        return [find_run(runs, str(runs / run)) for same in members.values() for run in same]
    found = matching(finished_runs(runs), name)
    if asked and len(found) > 1:
        found = [run for run in found if question(run) == asked] or found
    if len({kind(run) for run in found}) == 1:
        return found
    return [find_run(runs, name)]


def kind(run: Run) -> str:
    """Hash of a run's recipe but for its seed and fold."""
    resolved = run.resolved()
    return digest({**resolved, "seed": 0, "data": {**resolved["data"], "fold": 0}})


def finished_runs(runs: Path, data_sha: str = "") -> list[Run]:
    """The oldest first."""
    paths = sorted(runs.glob("*/metrics.json"), key=lambda path: path.stat().st_mtime)
    return [Run(path.parent) for path in paths if not data_sha or read_json(path)["data"]["sha256"] == data_sha]


def matching(finished: Sequence[Run], name: str) -> list[Run]:
    if Path(name, "metrics.json").is_file():
        return [Run(Path(name))]
    recipe = re.compile(rf"[\d-]{{11}}{re.escape(name)}-\w{{6}}")  # date, recipe, hash
    exact = [run for run in finished if recipe.fullmatch(run.name)]
    return exact or [run for run in finished if name in run.name]
