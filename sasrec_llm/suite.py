"""Running a suite: every run that is not finished yet, then their comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sasrec_llm import processes
from sasrec_llm.comparison import Comparison, compare
from sasrec_llm.durable import digest, write_json, write_text
from sasrec_llm.errors import LostError, RunError, SrlError
from sasrec_llm.experiment import run
from sasrec_llm.outcome import Outcome
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Recipe
from sasrec_llm.recipe.suite import Suite
from sasrec_llm.report.tables import compared
from sasrec_llm.runs import PAGE, Run, Workspace, dated, finished_run
from sasrec_llm.systems import open_data

Runner = Callable[[Recipe, str, Workspace, Plugins], Outcome]


@dataclass(frozen=True, slots=True)
class SuiteOutcome:
    folder: Path
    comparison: Comparison
    failed: Mapping[str, str]  # label -> why it is missing


def run_suite(
    suite: Suite,
    workspace: Workspace,
    plugins: Plugins,
    begin: Callable[[Recipe, bool], None],
    run: Runner = run,
) -> SuiteOutcome:
    """`begin(recipe, finished)` is told what comes next. A recipe that fails is named in the end and does not stop the
    others; what is finished is not run again."""
    members: dict[str, list[Run]] = {}
    failed: dict[str, str] = {}
    for label, recipes in suite.recipes.items():
        try:
            members[label] = [one(recipe, suite.given[label], workspace, plugins, begin, run) for recipe in recipes]
        except LostError:
            raise
        except SrlError as error:
            failed[label] = str(error)
    # The first has written them all when it gets here; the others are told what it found.
    return processes.lead(lambda: conclude(suite, members, failed, workspace, plugins))


def conclude(
    suite: Suite, members: Mapping[str, list[Run]], failed: Mapping[str, str], workspace: Workspace, plugins: Plugins
) -> SuiteOutcome:
    """Compare the runs that there are, and write what was found."""
    if not members:
        raise RunError(f"no recipe of {suite.name} could be run: " + "; ".join(f"{k}: {v}" for k, v in failed.items()))
    reference = suite.reference if suite.reference not in failed else ""
    comparison = compare(members, suite.subsets, workspace, plugins, name=suite.name, reference=reference)
    key = digest([[recipe.identity() for recipe in found] for found in suite.recipes.values()])[:6]
    folder = dated(workspace.runs, f"suite-{suite.name}", key)
    keep(comparison, folder)
    from sasrec_llm.report.write import write_comparison  # and matplotlib

    pages = {"runs": workspace.runs, "datasets": workspace.data}
    write_comparison(comparison.dump(), folder / PAGE, plugins=plugins, **pages)
    return SuiteOutcome(folder, comparison, failed)


def one(
    recipe: Recipe,
    given: str,
    workspace: Workspace,
    plugins: Plugins,
    begin: Callable[[Recipe, bool], None],
    run: Runner,
) -> Run:
    data = processes.in_turn(lambda: open_data(recipe, workspace, plugins))
    found = processes.lead(lambda: finished_run(workspace.runs, recipe, data.sha256))
    begin(recipe, found is not None)
    return found or run(recipe, given, workspace, plugins).run


def keep(comparison: Comparison, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "report.txt", "\n\n".join(compared(table, comparison.reference) for table in comparison.tables))
    write_json(folder / "comparison.json", comparison.dump())
