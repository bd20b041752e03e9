"""Across domains: a finished run is asked about a dataset it never saw, if it can answer without knowing its items.

What knows words is the run's own: the language model, and the LoRA it trained. What knows items is made anew from the
other catalogue (titles, tries, text vectors), or left out (encoder vectors). Nothing is trained and nothing is kept.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sasrec_llm.components import Across, BuildContext, StrategyComponent
from sasrec_llm.data.interactions import Interactions
from sasrec_llm.data.training import Training
from sasrec_llm.errors import DataError, RunError
from sasrec_llm.evaluation.results import Asked, measure
from sasrec_llm.evaluation.subsets import subset
from sasrec_llm.experiment import build_together, evaluate
from sasrec_llm.outcome import Outcome, about
from sasrec_llm.plugins import Plugins, suggestion
from sasrec_llm.protocols import TASKS
from sasrec_llm.recipe import Recipe
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.runs import Run, Workspace
from sasrec_llm.systems import final_objective, fitted_floors, make_chain, open_data, world


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Figures of a run on data that it did not learn from, and of floors that did."""

    outcome: Outcome
    data: dict[str, str]
    own: str  # name of the run's own dataset; empty if this is it
    floors: list[str]

    @property
    def note(self) -> str:
        """Who saw what; nothing for the run's own dataset."""
        if not self.own:
            return ""
        text = (
            f"{self.outcome.system} comes from {self.own} and never saw {self.data['name']} ({self.data['protocol']})"
        )
        return f"{text}; {', '.join(self.floors)}: fitted on its train rows" if self.floors else text


def evaluate_across(
    found: Run, other: str, protocol: str | None, subsets: Sequence[str], workspace: Workspace, plugins: Plugins
) -> Elsewhere:
    """Score the other dataset's test rows; on the run's own dataset, that is a plain evaluation."""
    recipe = check_recipe(found.resolved(), str(found.folder / "resolved.json"), plugins)
    if other == recipe.data.use:
        if protocol not in (None, recipe.data.protocol):
            raise RunError(
                f"{found.name} was trained on {other} under the protocol {recipe.data.protocol!r}; split another way, "
                "its test rows would be among those it has seen"
            )
        outcome = evaluate(found, subsets, workspace, plugins)
        return Elsewhere(outcome, found.manifest()["data"], "", [])
    objective = final_objective(recipe, plugins)
    way = way_across(found, recipe, objective, other, plugins)
    there = moved(found, recipe, other, protocol)
    data = open_other(there, workspace, plugins)
    own = functools.cache(lambda: home(found, recipe, workspace, plugins))
    system = build_together(there, data, workspace, plugins, own)
    chain = make_chain(there, data, system, found, workspace, plugins)
    chain.restore(way.parts)
    rows = data.of("test")
    rows = rows[sum(subset(name, data, rows) for name in subsets) > 0]
    ablation = way.objectives[objective]
    name = f"{recipe.head.name} with {ablation}" if ablation else recipe.head.name
    recommender, examiner = chain.strategy.recommender(objective, ablation), chain.examiner
    answers = {name: [examiner.answer(recommender, rows, name, chain.strategy.history_length)]}
    for floor, encoder, _ in fitted_floors(there, system.context, chain, plugins):
        answers[floor] = [examiner.answer(encoder, rows, floor, encoder.history_length)]
    outcome = Outcome(found, name, {"test": measure([Asked(examiner.task, rows, answers)], subsets)})
    return Elsewhere(outcome, about(data), recipe.data.use, list(answers)[1:])


def way_across(found: Run, recipe: Recipe, objective: str, other: str, plugins: Plugins) -> Across:
    """How the run's strategy can answer about other items, or an error that says why it cannot."""
    strategy: StrategyComponent[Any, Any] = plugins.get("strategies", recipe.strategy.use)
    way = strategy.across
    if way and objective in way.objectives and recipe.task in way.tasks:
        return way
    what = f"strategy {strategy.name!r}" + (f", objective {objective!r}" if way and objective else "")
    can = [name for name, (one, _) in sorted(plugins.offers("strategies").items()) if one.across]
    raise RunError(
        f"{found.name} cannot be scored on {other}, which it never saw: {what}, task {recipe.task!r}: "
        f"{strategy.why_not}",
        hint=f"Runs of these strategies can: {', '.join(can)}",
    )


def moved(found: Run, recipe: Recipe, other: str, protocol: str | None) -> Recipe:
    """The recipe with another dataset, split the same way or as asked, and the same question."""
    split = protocol or recipe.data.protocol
    if split not in TASKS:
        raise RunError(f"unknown protocol {split!r}{suggestion(split, list(TASKS))}; known: {', '.join(TASKS)}")
    if recipe.task not in TASKS[split]:
        fit = ", ".join(name for name, tasks in TASKS.items() if recipe.task in tasks)
        raise RunError(
            f"{found.name} answers the task {recipe.task!r}, which these protocols ask: {fit}; not {split!r}"
        )
    changes = {"use": other, "protocol": split, "task": recipe.task, "fold": recipe.data.fold or 1, "months": None}
    return replace(recipe, data=recipe.data.model_copy(update=changes))


def open_other(recipe: Recipe, workspace: Workspace, plugins: Plugins) -> Interactions:
    try:
        return open_data(recipe, workspace, plugins)
    except DataError as error:
        if not (workspace.data / recipe.data.use / "card.json").is_file():
            raise
        fit = [name for name, tasks in TASKS.items() if recipe.task in tasks and name != recipe.data.protocol]
        hint = f"{error.hint}\nOr split it another way: --protocol {' or '.join(fit)}"
        raise DataError(str(error), hint=hint.lstrip()) from error


def home(found: Run, recipe: Recipe, workspace: Workspace, plugins: Plugins) -> BuildContext:
    """The world that the run learned in, for what was made from it, such as a language model made from its titles."""
    try:
        data = open_data(recipe, workspace, plugins)
    except DataError as error:
        raise RunError(
            f"{found.name} was made from the texts or rows of {recipe.data.use}, which cannot be opened: {error}",
            hint=error.hint,
        ) from error
    if data.sha256 != found.manifest()["data"]["sha256"]:
        raise RunError(
            f"{found.name} was made from the texts or rows of {data.name}, and those here are not the same",
            hint="Prepare that dataset again as it was",
        )
    return world(recipe, data, Training(data), workspace, plugins)
