"""What the commands do, from Python. Folders are those of the environment, as for the commands: `SRL_DATA`, `SRL_RUNS`
and `SRL_CACHE`, or `data`, `runs` and a folder of the user's cache."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sasrec_llm.across import evaluate_across
from sasrec_llm.answering.loaded import LoadedRun, Recommendation
from sasrec_llm.answering.opening import CANDIDATES, load
from sasrec_llm.data.card import Card
from sasrec_llm.data.prepare import prepare as prepare_data
from sasrec_llm.data.wanted import find_wanted
from sasrec_llm.errors import UsageError
from sasrec_llm.experiment import evaluate as evaluate_run
from sasrec_llm.experiment import run as run_recipe
from sasrec_llm.outcome import Outcome
from sasrec_llm.plugins import plugins
from sasrec_llm.recipe.file import load_recipe
from sasrec_llm.recipe.installed import find_recipe
from sasrec_llm.recipe.suite import is_suite
from sasrec_llm.runs import Workspace
from sasrec_llm.runs.lookup import find_run


def prepare(what: str | Path, *, source: str | Path | None = None, **options: Any) -> Card:
    """`srl data prepare WHAT --from SOURCE`, with the options of that command as keywords -> the dataset's card."""
    workspace = Workspace.from_environment()
    wanted = find_wanted(str(what), Path(source) if source else None, options, plugins())
    return prepare_data(
        wanted.source,
        given=wanted.given,
        folder=workspace.data / wanted.name,
        cache=workspace.cache,
        own=wanted.own,
    )


def run(recipe: str | Path, changes: Mapping[str, Any] | None = None) -> Outcome:
    """`srl run RECIPE --set KEY=VALUE`: `changes` are {"stages.align.epochs": 3}; what is finished is not redone."""
    path = find_recipe(Path(recipe), plugins())
    if is_suite(path, plugins()):
        raise UsageError(f"{path} is a suite", hint=f"Run: srl run {path}")
    overrides = [f"{key}={json.dumps(value)}" for key, value in (changes or {}).items()]
    checked = load_recipe(path, overrides, plugins())
    if checked.head.seeds or checked.in_folds:
        raise UsageError(f"{path} stands for several runs", hint=f"Run: srl run {path}")
    given = path.read_text(encoding="utf-8") + "".join(f"# --set {override}\n" for override in overrides)
    return run_recipe(checked, given, Workspace.from_environment(), plugins())


def evaluate(
    run: str | Path | None = None,
    subsets: Sequence[str] = ("all",),
    *,
    data: str | None = None,
    protocol: str | None = None,
) -> Outcome:
    """`srl eval RUN --split SUBSET --data OTHER`: the latest run unless said otherwise."""
    workspace = Workspace.from_environment()
    found = find_run(workspace.runs, str(run) if run else None)
    if data:
        return evaluate_across(found, data, protocol, subsets, workspace, plugins()).outcome
    return evaluate_run(found, subsets, workspace, plugins())


def load_run(run: str | Path | None = None, *, candidates: int = CANDIDATES) -> LoadedRun:
    """A finished run, or the folder of an export, ready to answer; the latest run unless said otherwise."""
    return load(str(run) if run else None, Workspace.from_environment(), plugins(), candidates)


def recommend(
    run: str | Path | None = None,
    *,
    user: str | None = None,
    history: Sequence[str] = (),
    k: int = 10,
    explain: bool = False,
) -> list[Recommendation]:
    """`srl recommend`: for many people, `load_run` once."""
    return load_run(run).recommend(user=user, history=history, k=k, explain=explain)
