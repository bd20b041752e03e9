"""Finished runs on the same rows, compared: figures, and differences from one of them, on the same draws of users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sasrec_llm.errors import DamagedError, RunError, UsageError
from sasrec_llm.evaluation.examiner import Cost
from sasrec_llm.evaluation.predictions import load_predictions
from sasrec_llm.evaluation.results import Asked, Table, measure
from sasrec_llm.evaluation.task import Answers, Task
from sasrec_llm.plugins import Plugins, suggestion
from sasrec_llm.recipe import Recipe
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.runs import Run, Workspace
from sasrec_llm.runs.lookup import kind
from sasrec_llm.systems import open_data, task_for

# What of their data must be the same for runs to be compared; the last two are options of a protocol.
SAME = ("name", "protocol", "task", "folds", "asks", "months")


@dataclass(frozen=True, slots=True)
class Comparison:
    name: str
    data: Mapping[str, str]
    reference: str
    tables: Sequence[Table]  # of test
    members: Mapping[str, Sequence[Run]]  # label -> a run for each seed
    costs: Mapping[str, Cost]
    floors: Sequence[str]

    def dump(self) -> dict[str, Any]:
        return {
            "version": 2,
            "name": self.name,
            "data": dict(self.data),
            "reference": self.reference,
            "members": {label: [run.name for run in runs] for label, runs in self.members.items()},
            "floors": list(self.floors),
            "test": [table.dump() for table in self.tables],
            "cost": {label: cost.dump() for label, cost in self.costs.items()},
        }


def compare(
    members: Mapping[str, Sequence[Run]],
    subsets: Sequence[str],
    workspace: Workspace,
    plugins: Plugins,
    *,
    name: str = "",
    reference: str = "",
    stages: bool = False,
) -> Comparison:
    """`stages`: also what each stage of a run left."""
    runs = [run for found in members.values() for run in found]
    about = refuse_other_rows(members)
    recipes = {run.name: check_recipe(run.resolved(), str(run.folder / "resolved.json"), plugins) for run in runs}
    metrics = list(dict.fromkeys(metric for found in recipes.values() for metric in found.metrics))
    named = list(dict.fromkeys(floor for run in runs for floor in recipes[run.name].floors))
    costs: dict[str, list[Cost]] = {}
    folds = []
    for fold in sorted({recipe.data.fold or 0 for recipe in recipes.values()}):
        inside = [run for run in runs if (recipes[run.name].data.fold or 0) == fold]
        recipe = recipes[inside[0].name]
        task = task_for(recipe, open_data(recipe, workspace, plugins), plugins, metrics)
        systems: dict[str, list[Answers]] = {}
        for label, found in members.items():
            for run in found:
                if run in inside:
                    for shown, answers, cost in answers_of(run, recipes[run.name], label, task, stages):
                        if shown in members and shown != label:
                            continue  # a floor of this run that is here as a member too
                        systems.setdefault(shown, []).append(answers)
                        costs.setdefault(shown, []).append(cost)
        floors = [floor for floor in named if floor in systems]
        for floor in floors:  # the same in every run
            if floor not in members:
                del systems[floor][1:]
        order = [*floors, *(system for system in systems if system not in floors)]
        folds.append(Asked(task, task.data.of("test"), {system: systems[system] for system in order}))
    reference = reference or next(iter(members))
    if reference not in order:
        raise UsageError(f"there is no system {reference!r} here{suggestion(reference, order)}")
    means = {system: mean_cost(costs[system]) for system in order}
    return Comparison(name, about, reference, measure(folds, subsets, reference), members, means, floors)


def answers_of(run: Run, recipe: Recipe, label: str, task: Task, stages: bool) -> list[tuple[str, Answers, Cost]]:
    """What a run's systems answered to test, calibrated on validation: its own, crippled, its floors."""
    costs = run.costs()["systems"]
    try:
        every = load_predictions(run.folder / "predictions.parquet", task)
    except DamagedError as error:
        raise RunError(f"{run.name} was scored on other rows than the first of the runs: {error}") from error
    found = []
    for system, answers in every.items():
        if system.startswith("after ") and not stages:
            continue
        shown = system  # a floor
        if system.startswith("after "):
            shown = f"{label} {system}"
        elif system == recipe.head.name or system.startswith(f"{recipe.head.name} with "):
            shown = label + system.removeprefix(recipe.head.name)
        test = task.calibrated(answers["test"], on=answers["valid"], rows=task.data.of("valid"))
        found.append((shown, test, Cost(**costs[system])))
    return found


def refuse_other_rows(members: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    """What the runs were asked about, if all were asked the same; where users are in folds, the same folds."""
    runs = [run for found in members.values() for run in found]
    every = [run.metrics() for run in runs]
    folds = {label: sorted({str(fold_of(run)) for run in found}) for label, found in members.items()}
    first, *others = folds
    for label in others:
        if folds[label] != folds[first]:
            raise RunError(
                f"runs scored on different rows cannot be compared: {first} has fold "
                f"{', '.join(folds[first])}, {label} has {', '.join(folds[label])}"
            )
    for run, metrics in zip(runs, every, strict=True):
        if metrics.get("version", 1) < 2:
            raise RunError(
                f"{run.name} was made by an older srl, without what a comparison needs",
                hint="Run its recipe again: what is trained is kept",
            )
        for key in SAME:
            ours, theirs = every[0]["data"].get(key), metrics["data"].get(key)
            if ours != theirs:
                raise RunError(
                    f"runs scored on different rows cannot be compared: {runs[0].name} has {key} {ours}, "
                    f"{run.name} has {theirs}"
                )
    return {key: value for key, value in every[0]["data"].items() if key != "fold" or len(folds[first]) == 1}


def fold_of(run: Run) -> int | None:
    return run.resolved()["data"].get("fold")  # type: ignore[no-any-return]


def grouped(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """By recipe name; runs of one name must differ by seed and fold alone, or each is called by its folder."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.resolved()["name"], []).append(run)
    labelled: dict[str, list[Run]] = {}
    for name, same in found.items():
        parts = {(run.resolved()["seed"], fold_of(run)) for run in same}
        if len({kind(run) for run in same}) == 1 and len(parts) == len(same):
            labelled[name] = same
        else:
            labelled |= {run.name: [run] for run in same}
    return labelled


def mean_cost(costs: Sequence[Cost]) -> Cost:
    speeds = [cost.pairs_per_second for cost in costs if cost.pairs_per_second]
    return Cost(
        pairs_per_second=fmean(speeds) if speeds else None,
        peak_memory_mb=max((cost.peak_memory_mb for cost in costs if cost.peak_memory_mb), default=None),
        seconds=fmean(cost.seconds for cost in costs),
        trained_parameters=costs[0].trained_parameters,
    )
