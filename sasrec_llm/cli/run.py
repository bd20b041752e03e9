"""`srl run RECIPE`"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sasrec_llm import processes
from sasrec_llm.cli.completion import recipe_names
from sasrec_llm.cli.engines import LOCAL, Engine, Nproc, runner
from sasrec_llm.cli.output import print_comparison, print_json, print_rows, print_table, print_text, say
from sasrec_llm.errors import RunError
from sasrec_llm.launch import launch
from sasrec_llm.plugins import Plugins, plugins
from sasrec_llm.recipe import Recipe
from sasrec_llm.recipe.file import load_recipe
from sasrec_llm.recipe.installed import find_recipe
from sasrec_llm.recipe.suite import Suite, is_suite, load_suite, repeated

if TYPE_CHECKING:
    from sasrec_llm.runs import Workspace
    from sasrec_llm.suite import Runner
    from sasrec_llm.train.memory import Memory

Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe, e.g. stages.align.epochs=3")
]
TRIED = 2.0  # seconds for each stage of a dry run
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout")]


def run(
    recipe: Annotated[
        Path,
        typer.Argument(help="A recipe or a suite: its file, or its name, e.g. quickstart", autocompletion=recipe_names),
    ],
    set_: Set = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check it, try each stage for a moment, and say what it will take")
    ] = False,
    nproc: Nproc = None,
    engine: Engine = LOCAL,
    json: Json = False,
) -> None:
    """Run a recipe's stages and score the result. Finished stages are skipped, an interrupted one continues.

    A suite runs its recipes one after the other and compares them.

    Example: srl run dual_stage_cpu --set seed=1
    """
    known = plugins()
    recipe = find_recipe(recipe, known)
    if dry_run:
        suite = load_suite(recipe, set_ or [], known) if is_suite(recipe, known) else None
        found = [one for each in suite.recipes.values() for one in each] if suite else []
        tell_plans(found or [load_recipe(recipe, set_ or [], known)], known, json)
        return
    if engine == LOCAL and nproc is not None and nproc > 1:
        load_suite(recipe, set_ or [], known) if is_suite(recipe, known) else load_recipe(recipe, set_ or [], known)
        launch(nproc)  # what can be checked in one process was
        return
    with processes.joined():
        run_here(recipe, set_ or [], known, *runner(engine, nproc, known), json)


def run_here(recipe: Path, set_: list[str], known: Plugins, run: Runner, shown: Plugins, json: bool) -> None:
    """In this process, which may be one of several that do the same."""
    if is_suite(recipe, known):
        run_all(load_suite(recipe, set_, known), known, run, shown, json)
        return
    checked = load_recipe(recipe, set_, known)
    checked = checked.in_slices(processes.count())
    if checked.search:
        say(f"its [search] is for srl tune {recipe}; here its own values are run")
    if checked.head.seeds or checked.in_folds:
        run_all(repeated(checked, given(recipe, set_)), known, run, shown, json)
        return
    announce(checked)
    with Watched(shown) as workspace:
        outcome = run(checked, given(recipe, set_), workspace, known)
    if processes.follows():
        return
    if json:
        print_json({"run": str(outcome.run.folder), "test": [table.dump() for table in outcome.tables["test"]]})
        return
    for table in outcome.tables["test"]:
        print_text("")
        print_table(table, "test")
    print_text(f"\n{outcome.run.folder} · metrics.json · predictions.parquet · report.txt · report.html")


def run_all(suite: Suite, known: Plugins, run: Runner, shown: Plugins, json: bool) -> None:
    """Run what is not finished, print the comparison, and end in an error if a recipe failed."""
    from sasrec_llm.suite import run_suite

    suite = suite.in_slices(processes.count())
    count = sum(map(len, suite.recipes.values()))
    say(f"{suite.name} · {count} runs")
    with Watched(shown) as workspace:
        outcome = run_suite(suite, workspace, known, announce, run)
    if json:
        print_json({"folder": str(outcome.folder), **outcome.comparison.dump(), "failed": dict(outcome.failed)})
    else:
        print_comparison(outcome.comparison)
        print_text(f"\n{outcome.folder} · comparison.json · report.txt · report.html")
    if outcome.failed:
        raise RunError("\n".join(f"{label} failed: {why}" for label, why in outcome.failed.items()))


def tell_plans(recipes: Sequence[Recipe], known: Plugins, json: bool) -> None:
    from sasrec_llm.bench.plan import plan
    from sasrec_llm.runs import Workspace

    told = {}
    for recipe in recipes:
        announce(recipe)
        found = list(plan(recipe, Workspace.from_environment(), known, TRIED, tell_memory))
        told[recipe.head.name] = [stage.dump() for stage in found]
        rows = [
            [
                f"  {stage.stage}",
                ", ".join(f"{part} ({n:,})" for part, n in stage.trains.items()),
                f"{stage.epochs} x {stage.steps:,}",
                duration(stage.seconds),
                f"{stage.stated.total_mb:,.0f} MB",
                f"{stage.memory_mb or math.nan:,.0f} MB",
            ]
            for stage in found
        ]
        if not json:
            print_rows(rows, header=["  stage", "trains", "steps", "time", "training", "peak"])
            print_text(f"about {duration(sum(stage.seconds for stage in found))} in all; nothing is kept of this")
    if json:
        print_json(told)


def tell_memory(stage: str, held: Memory) -> None:
    say(
        f"  {stage}: weights {held.weights_mb:,.1f} MB, gradients {held.gradients_mb:,.1f} MB, "
        f"optimiser {held.optimiser_mb:,.1f} MB"
    )


def duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def announce(recipe: Recipe, finished: bool = False) -> None:
    use = " → ".join(choice.use for section, choice in recipe.choices.items() if section != "strategy")
    split = ", ".join([recipe.data.protocol, *(f"{key} {value}" for key, value in recipe.data.options.items())])
    what = [recipe.head.name, f"{recipe.data.use} ({split})", use, recipe.strategy.use]
    say(" · ".join(part for part in (*what, f"seed {recipe.head.seed}", "finished before" if finished else "") if part))


class Watched:
    """The workspace, while progress is shown."""

    def __init__(self, known: Plugins) -> None:
        from sasrec_llm.cli.progress import Watcher

        self._known, self._watcher = known, Watcher()

    def __enter__(self) -> Workspace:
        from sasrec_llm.runs import Workspace

        self._watcher.__enter__()
        self._known.add(self._watcher, "progress")
        return Workspace.from_environment()

    def __exit__(self, *error: object) -> None:
        self._known.remove("progress")
        self._watcher.__exit__(*error)


def given(recipe: Path, overrides: list[str]) -> str:
    """The recipe as it was given, with the overrides that came with it."""
    head = "".join(f"# --set {override}\n" for override in overrides)
    return head + recipe.read_text(encoding="utf-8")
