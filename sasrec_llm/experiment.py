"""What the commands do: run a recipe to its report, score a finished run again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sasrec_llm import processes
from sasrec_llm.components import BuildContext
from sasrec_llm.data.interactions import Interactions
from sasrec_llm.evaluation.examiner import Exam
from sasrec_llm.evaluation.predictions import load_predictions
from sasrec_llm.evaluation.results import Asked, measure
from sasrec_llm.evaluation.subsets import subset
from sasrec_llm.evaluation.task import Answers, Task
from sasrec_llm.interfaces import RunInfo, Shardable
from sasrec_llm.outcome import Outcome, about, keep, tables
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Recipe
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.runs import PAGE, LogWriter, Run, Workspace, find_place, write_recipe
from sasrec_llm.runs.manifest import write_manifest
from sasrec_llm.systems import System, build, final_objective, fitted_floors, make_chain, open_data, restore
from sasrec_llm.texts_ahead import read_ahead
from sasrec_llm.train.stages import Chain

log = logging.getLogger(__name__)


def run(recipe: Recipe, given: str, workspace: Workspace, plugins: Plugins, *, page: bool = True) -> Outcome:
    """Train what is not trained yet, score the test rows once, and leave everything in the run's folder.

    Of several processes the first writes, and tells those who watch; what the others get has no figures."""
    data = processes.in_turn(lambda: open_data(recipe, workspace, plugins))
    read_ahead(recipe, workspace, plugins)
    # Before the folder: what cannot be built leaves no trace.
    system = build_together(recipe, data, workspace, plugins)
    found = processes.lead(lambda: find_place(workspace.runs, recipe, data.sha256))
    chain = make_chain(recipe, data, system, found, workspace, plugins)
    if not processes.first():
        plugins.quiet = True
        name_systems(recipe, chain)
        return Outcome(found, recipe.head.name, {})
    with found.lock():
        write_recipe(found, recipe, given)
        write_manifest(found, about(data), str(system.device), plugins)
        info = RunInfo(found.name, found.folder)
        try:
            plugins.event("srl_run_started", run=info)
            outcome = carry_out(recipe, system, chain, found)
            if page:
                draw_page(found, data, workspace, plugins)
        except BaseException as error:  # a signal, too
            plugins.event("srl_run_failed", run=info, error=error)
            raise
        plugins.event("srl_run_finished", run=info, metrics=outcome.values())
    return outcome


def build_together(
    recipe: Recipe,
    data: Interactions,
    workspace: Workspace,
    plugins: Plugins,
    home: Callable[[], BuildContext] | None = None,
) -> System:
    """All processes that share the work; what one cannot hold is divided among them."""
    system = processes.in_turn(lambda: build(recipe, data, workspace, plugins, home, together=True))
    if isinstance(system.backbone, Shardable):
        system.backbone.shard()
    return system


def carry_out(recipe: Recipe, system: System, chain: Chain, found: Run) -> Outcome:
    """Train, answer for every row, and write what was found."""
    plugins, task = chain.plugins, chain.examiner.task
    plugins.add(LogWriter(found), "log")
    try:
        answers = name_systems(recipe, chain)
    finally:
        plugins.remove("log")
    for name, by_split in answers.items():
        if task.constant(by_split["test"], chain.data.of("test")):
            log.warning("%s answers every question alike: nothing that it was given reaches its scores", name)
    answers |= floors(recipe, system.context, chain, plugins)
    answers = {name: calibrated(task, by_split) for name, by_split in answers.items()}
    outcome = Outcome(found, recipe.head.name, tables(recipe, task, answers))
    keep(outcome, recipe, chain, answers)
    return outcome


def draw_page(found: Run, data: Interactions, workspace: Workspace, plugins: Plugins) -> None:
    """The page is for looking at: if it cannot be drawn, the figures stand all the same."""
    from sasrec_llm.report.write import write_report  # and matplotlib, which nothing else needs

    try:
        write_report(found.folder, found.folder / PAGE, datasets=workspace.data, plugins=plugins, data=data)
    except Exception as error:
        log.warning("%s is not written: %s: %s", found.folder / PAGE, type(error).__name__, error)


def reopened(found: Run, subsets: Sequence[str], workspace: Workspace, plugins: Plugins) -> Exam:
    """A finished run, loaded, and the test rows of the subsets."""
    recipe = check_recipe(found.resolved(), str(found.folder / "resolved.json"), plugins)
    data = open_data(recipe, workspace, plugins)
    chain = restore(found, recipe, data, workspace, plugins, build_together)
    rows = chain.data.of("test")
    rows = rows[sum(subset(name, chain.data, rows) for name in subsets) > 0]
    recommender = chain.strategy.recommender(final_objective(recipe, plugins))
    return chain.examiner.exam(recommender, rows, recipe.head.name, chain.strategy.history_length)


def evaluate(
    found: Run,
    subsets: Sequence[str],
    workspace: Workspace,
    plugins: Plugins,
    ask: Callable[[Exam], Answers] | None = None,
) -> Outcome:
    """Load a finished run's parts and score the test rows of the subsets again; `ask`: where, if not here."""
    exam = reopened(found, subsets, workspace, plugins)
    task, name = exam.examiner.task, exam.who
    valid = load_predictions(found.folder / "predictions.parquet", task)[name]["valid"]
    answers = task.calibrated(ask(exam) if ask else exam.examiner.ask(exam), on=valid, rows=task.data.of("valid"))
    return Outcome(found, name, {"test": measure([Asked(task, exam.rows, {name: [answers]})], subsets)})


def name_systems(recipe: Recipe, chain: Chain) -> dict[str, dict[str, Answers]]:
    """The recipe's own system first, then it crippled, then what each earlier stage could do when it ended."""
    by_stage = chain.train()
    objective, name = final_objective(recipe, chain.plugins), recipe.head.name
    named = {name: by_stage.popitem()[1] if by_stage else chain.answers(chain.strategy.recommender(objective), name)}
    for ablation in recipe.evaluate.ablations:
        who = f"{name} with {ablation}"
        named[who] = chain.answers(chain.strategy.recommender(objective, ablation), who)
    earlier = reversed(list(by_stage.items()))
    return named | {f"after {stage}: {recipe.stages[stage].objective}": answers for stage, answers in earlier}


def floors(recipe: Recipe, context: BuildContext, chain: Chain, plugins: Plugins) -> dict[str, dict[str, Answers]]:
    """Closed-form encoders on the same rows; seconds, and always in the table."""
    found, examiner = {}, replace(chain.examiner, asked="alone")  # they are for the first process alone
    for name, encoder, seconds in fitted_floors(recipe, context, chain, plugins):
        found[name] = examiner.answers(encoder, name, encoder.history_length)
        examiner.costs[name] = replace(examiner.costs[name], seconds=seconds)
    return found


def calibrated(task: Task, by_split: Mapping[str, Answers]) -> dict[str, Answers]:
    """The answers to test with what validation says of their probabilities."""
    valid, test = by_split["valid"], by_split["test"]
    return {"valid": valid, "test": task.calibrated(test, on=valid, rows=task.data.of("valid"))}
