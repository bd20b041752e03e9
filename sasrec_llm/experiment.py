"""What the commands do: run a recipe to its report, score a finished run again."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sasrec_llm.components import BuildContext
from sasrec_llm.data.interactions import Interactions
from sasrec_llm.durable import new_file, read_json, write_json, write_text
from sasrec_llm.evaluate.examiner import EVALUATED, Cost
from sasrec_llm.evaluate.predictions import load_predictions, save_predictions
from sasrec_llm.evaluate.results import Asked, Table, measure
from sasrec_llm.evaluate.subsets import subset
from sasrec_llm.evaluate.task import Answers, Task
from sasrec_llm.made_with import write_manifest
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Recipe
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.report.tables import plain
from sasrec_llm.runs import PAGE, LogWriter, Run, Workspace, find_place, write_recipe
from sasrec_llm.systems import build, final_objective, fitted_floors, make_chain, open_data, restore
from sasrec_llm.train.stages import Chain

log = logging.getLogger(__name__)
TOOK = ("seconds", "total_seconds", "pairs_per_second", "peak_memory_mb")  # facts of a stage that no run repeats


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished run and its figures."""

    run: Run
    system: str
    tables: Mapping[str, list[Table]]  # split -> one table for each subset


def run(recipe: Recipe, given: str, workspace: Workspace, plugins: Plugins) -> Outcome:
    """Train what is not trained yet, score the test rows once, and leave everything in the run's folder."""
    data = open_data(recipe, workspace, plugins)
    system = build(recipe, data, workspace, plugins)  # before the folder: what cannot be built leaves no trace
    found = find_place(workspace.runs, recipe, data.sha256)
    with found.lock():
        write_recipe(found, recipe, given)
        write_manifest(found, about(data), str(system.device), plugins)
        chain = make_chain(recipe, data, system, found, workspace, plugins)
        plugins.add(LogWriter(found), "log")
        try:
            answers = name_systems(recipe, chain, plugins)
        finally:
            plugins.remove("log")
        task = chain.examiner.task
        for name, by_split in answers.items():
            if task.constant(by_split["test"], data.of("test")):
                log.warning("%s answers every question alike: nothing that it was given reaches its scores", name)
        answers |= floors(recipe, system.context, chain, plugins)
        answers = {name: calibrated(task, by_split) for name, by_split in answers.items()}
        outcome = Outcome(found, recipe.head.name, tables(recipe, task, answers))
        keep(outcome, recipe, chain, answers)
        draw_page(found, data, workspace, plugins)
    return outcome


def draw_page(found: Run, data: Interactions, workspace: Workspace, plugins: Plugins) -> None:
    """The page is for looking at: if it cannot be drawn, the figures stand all the same."""
    from sasrec_llm.report.write import write_report  # and matplotlib, which nothing else needs

    try:
        write_report(found.folder, found.folder / PAGE, datasets=workspace.data, plugins=plugins, data=data)
    except Exception as error:
        log.warning("%s is not written: %s: %s", found.folder / PAGE, type(error).__name__, error)


def about(data: Interactions) -> dict[str, Any]:
    return {
        "name": data.name,
        "protocol": data.protocol,
        "task": data.task,
        "history": data.history_rule,
        **data.options,
        "sha256": data.sha256,
    }


def evaluate(found: Run, subsets: Sequence[str], workspace: Workspace, plugins: Plugins) -> Outcome:
    """Load a finished run's parts and score the test rows of the subsets again."""
    recipe = check_recipe(found.resolved(), str(found.folder / "resolved.json"), plugins)
    chain = restore(found, recipe, open_data(recipe, workspace, plugins), workspace, plugins)
    rows = chain.data.of("test")
    rows = rows[sum(subset(name, chain.data, rows) for name in subsets) > 0]
    name, task = recipe.head.name, chain.examiner.task
    recommender = chain.strategy.recommender(final_objective(recipe, plugins))
    answers = chain.examiner.answer(recommender, rows, name, chain.strategy.history_length)
    valid = load_predictions(found.folder / "predictions.parquet", task)[name]["valid"]
    answers = task.calibrated(answers, on=valid, rows=chain.data.of("valid"))
    return Outcome(found, name, {"test": measure([Asked(task, rows, {name: [answers]})], subsets)})


def name_systems(recipe: Recipe, chain: Chain, plugins: Plugins) -> dict[str, dict[str, Answers]]:
    """The recipe's own system first, then it crippled, then what each earlier stage could do when it ended."""
    by_stage = chain.train()
    objective, name = final_objective(recipe, plugins), recipe.head.name
    named = {name: by_stage.popitem()[1] if by_stage else chain.answers(chain.strategy.recommender(objective), name)}
    for ablation in recipe.evaluate.ablations:
        who = f"{name} with {ablation}"
        named[who] = chain.answers(chain.strategy.recommender(objective, ablation), who)
    earlier = reversed(list(by_stage.items()))
    return named | {f"after {stage}: {recipe.stages[stage].objective}": answers for stage, answers in earlier}


def floors(recipe: Recipe, context: BuildContext, chain: Chain, plugins: Plugins) -> dict[str, dict[str, Answers]]:
    """Closed-form encoders on the same rows; seconds, and always in the table."""
    found, examiner = {}, chain.examiner
    for name, encoder, seconds in fitted_floors(recipe, context, chain, plugins):
        found[name] = examiner.answers(encoder, name, encoder.history_length)
        examiner.costs[name] = replace(examiner.costs[name], seconds=seconds)
    return found


def calibrated(task: Task, by_split: Mapping[str, Answers]) -> dict[str, Answers]:
    """The answers to test with what validation says of their probabilities."""
    valid, test = by_split["valid"], by_split["test"]
    return {"valid": valid, "test": task.calibrated(test, on=valid, rows=task.data.of("valid"))}


def costs(recipe: Recipe, stages: Mapping[str, Any], asked: Mapping[str, Cost]) -> dict[str, Cost]:
    """Of each system in the tables; what a stage left took all stages up to it."""
    found = {name: cost for name, cost in asked.items() if not name.startswith("stage ")}
    seconds, peak = 0.0, 0.0
    parts: dict[str, int] = {}
    for number, (name, facts) in enumerate(stages.items(), start=1):
        seconds += facts["total_seconds"]
        peak = max(peak, facts.get("peak_memory_mb") or 0.0)  # stages of an older srl do not say
        parts |= facts["trained_parameters"]
        system = recipe.head.name if number == len(stages) else f"after {name}: {facts['objective']}"
        found[system] = Cost(facts.get("pairs_per_second"), peak or None, seconds, sum(parts.values()))
    return found


def tables(recipe: Recipe, task: Task, answers: Mapping[str, Mapping[str, Answers]]) -> dict[str, list[Table]]:
    return {
        split: measure(
            [Asked(task, task.data.of(split), {name: [by_split[split]] for name, by_split in answers.items()})],
            recipe.subsets,
            recipe.reference,
        )
        for split in EVALUATED
    }


def keep(outcome: Outcome, recipe: Recipe, chain: Chain, answers: Mapping[str, Mapping[str, Answers]]) -> None:
    """predictions.parquet, report.txt, what it cost, and metrics.json last: with it the run counts as finished.

    The first and the last have the same bytes however often the run was interrupted.
    """
    folder, task, data = outcome.run.folder, chain.examiner.task, chain.data
    with new_file(folder / "predictions.parquet") as draft:
        save_predictions(draft, task, answers)
    write_text(
        folder / "report.txt",
        "\n\n".join(plain(table, split) for split, found in outcome.tables.items() for table in found) + "\n",
    )
    stages = {path.parent.parent.name: read_json(path) for path in outcome.run.stage_files(recipe)}
    cost = {name: cost.dump() for name, cost in costs(recipe, stages, chain.examiner.costs).items()}
    took = {name: {key: facts.pop(key, None) for key in TOOK} for name, facts in stages.items()}
    write_json(folder / "costs.json", {"systems": cost, "stages": took})
    write_json(
        folder / "metrics.json",
        {
            "version": 3,
            "system": outcome.system,
            "data": about(data),
            "seed": recipe.head.seed,
            "reference": recipe.reference,
            "answers": {
                split: {name: task.distribution(found[split], data.of(split)) for name, found in answers.items()}
                for split in EVALUATED
            },
            **{split: [table.dump() for table in found] for split, found in outcome.tables.items()},
            "stages": stages,
        },
    )
