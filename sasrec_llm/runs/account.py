"""All that a folder says of a run, a suite or a search, and what can be done with it next."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sasrec_llm.durable import read_json
from sasrec_llm.errors import RunError, UsageError
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import SECTIONS
from sasrec_llm.recipe.file import load_recipe
from sasrec_llm.recipe.installed import find_recipe
from sasrec_llm.recipe.suite import is_suite
from sasrec_llm.runs import FAILURE, Run
from sasrec_llm.runs.manifest import command, environment
from sasrec_llm.runs.states import Standing, epochs_done, find_standing


def account(one: Standing) -> dict[str, Any]:
    """Plain values. A damaged run says no more than that."""
    found = asdict(one) | {"bytes": sizes(one.folder)}
    failure = one.folder / FAILURE
    if one.state == "failed":
        found["failure"] = read_json(failure)
    if one.kind == "run" and one.state != "damaged":
        run = Run(one.folder)
        resolved = run.resolved()
        found["parts"] = {section: resolved[section]["use"] for section in SECTIONS if section in resolved}
        found["seed"] = resolved["seed"]
        found["stages"] = list(stages(run, resolved))
        found["test"] = run.metrics()["test"] if one.state == "finished" else []
        manifest = run.manifest() if (one.folder / "manifest.json").is_file() else None
        found["made_with"] = dict(environment(manifest)) if manifest else {}
        found["next"] = list(next_steps(one, manifest))
    elif one.kind == "suite" and one.state != "damaged":
        found["systems"] = read_json(one.folder / "comparison.json")["members"]
        found["next"] = [shlex.join(["srl", what, str(one.folder)]) for what in ("compare", "report")]
    elif one.kind == "search" and (one.folder / "best.toml").is_file():
        found["next"] = [shlex.join(["srl", "run", str(one.folder / "best.toml")])]
    return found


def stages(run: Run, resolved: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, stage in resolved["stages"].items():
        result = run.stage(name) / "result" / "stage.json"
        facts = read_json(result) if result.is_file() else {"epochs": epochs_done(run.stage(name))}
        yield {
            "name": name,
            "objective": stage["objective"],
            "train": stage["train"],
            "finished": result.is_file(),
            "planned_epochs": stage["epochs"],
            **{key: facts.get(key) for key in ("epochs", "best_epoch", "best", "stopped_early", "total_seconds")},
        }


def next_steps(one: Standing, manifest: Mapping[str, Any] | None) -> Iterator[str]:
    if one.state == "finished":
        yield shlex.join(["srl", "recommend", one.name, "--history", "TITLE"])
        yield shlex.join(["srl", "report", one.name, "--open"])
    elif one.state in ("interrupted", "failed"):
        if manifest and manifest["command"][1:2] == ["run"]:
            yield command(manifest)
        yield shlex.join(["srl", "runs", "rm", one.name])


def resolved(name: str, runs: Path, plugins: Plugins) -> dict[str, Any]:
    """With every default: of a recipe or, where there is none of that name, of a run."""
    try:
        path = find_recipe(Path(name), plugins)
    except UsageError as no_recipe:
        try:
            found = find_standing(runs, name)
        except RunError:
            raise no_recipe from None
        if found.kind != "run":
            raise UsageError(f"{name} is a {found.kind}; recipes and runs can be compared") from None
        return Run(found.folder).resolved()
    if is_suite(path, plugins):
        raise UsageError(f"{name} is a suite; its recipes can be compared", hint=f"See them: srl recipes show {name}")
    return load_recipe(path, [], plugins).dump()


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of each file and folder in it."""
    return {path.name: size(path) for path in sorted(folder.iterdir())}


def size(path: Path) -> int:
    """Bytes; of a folder, of all files in it. Those of a run that works come and go."""
    total = 0
    for file in [path, *(Path(folder, name) for folder, _, names in os.walk(path) for name in names)]:
        with contextlib.suppress(FileNotFoundError):
            total += 0 if file.is_dir() else file.lstat().st_size
    return total
