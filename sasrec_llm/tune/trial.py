"""One trial: the recipe with some values, trained on train and judged on validation. Test is not answered for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sasrec_llm.errors import NonFiniteError, StoppedError
from sasrec_llm.hookspecs import hookimpl
from sasrec_llm.interfaces import StageInfo
from sasrec_llm.plugins import Plugins
from sasrec_llm.protocols import METRIC
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.recipe.merge import put
from sasrec_llm.runs import LogWriter, Run, Workspace
from sasrec_llm.systems import build, final_objective, make_chain, open_data
from sasrec_llm.tune.question import Question

JUDGED = "valid"


class Watcher:
    """Stops a trial in its last stage when it has no hope, unless it has come to its end anyway."""

    def __init__(self, hopeless: Callable[[int, float], bool]) -> None:
        self._hopeless = hopeless

    @hookimpl
    def srl_evaluated(self, stage: StageInfo, split: str, metrics: Mapping[str, float]) -> None:
        epoch, last = int(metrics["epoch"]), stage.position == stage.count
        if last and self._hopeless(epoch, metrics[stage.metric]) and epoch < stage.epochs:
            raise StoppedError(f"stage {stage.name} was cut short: other trials were better by then")


def judged_by(question: Question) -> str:
    """The metric of a search."""
    recipe = question.recipe
    stages = list(recipe.stages.values())
    return question.search.metric or (recipe.metric(stages[-1]) if stages else METRIC[recipe.task])


def changed(question: Question, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values and, if the search names its metric, that as the one that chooses the best epoch, by key path.
    A component comes before its settings, since it drops those of another."""
    found = {path: values[path] for path in sorted(values, key=lambda path: not path.endswith(".use"))}
    if question.search.metric and question.recipe.stages:
        found[f"stages.{list(question.recipe.stages)[-1]}.metric"] = question.search.metric
    return found


def score(
    table: Mapping[str, Any],
    changes: Mapping[str, Any],
    metric: str,
    folder: Path,
    workspace: Workspace,
    plugins: Plugins,
    hopeless: Callable[[int, float], bool],
) -> float:
    """The metric on all validation rows of what the last stage kept."""
    for path, value in {**changes, "evaluate.metrics": [metric]}.items():
        table = put(table, path, value)
    recipe = check_recipe(table, "this trial", plugins)
    data = open_data(recipe, workspace, plugins)
    system = build(recipe, data, workspace, plugins)
    folder.mkdir(parents=True, exist_ok=True)
    found = Run(folder)
    chain = make_chain(recipe, data, system, found, workspace, plugins, splits=(JUDGED,))
    watchers = {"log": LogWriter(found), "tune": Watcher(hopeless)}
    for name, watcher in watchers.items():
        plugins.add(watcher, name)
    try:
        by_stage = chain.train()
    finally:
        for name in watchers:
            plugins.remove(name)
    recommender = chain.strategy.recommender(final_objective(recipe, plugins))
    answers = by_stage.popitem()[1] if by_stage else chain.answers(recommender, recipe.head.name)
    figure = chain.examiner.task.figures(answers[JUDGED], data.of(JUDGED))[metric]
    if not math.isfinite(figure):
        raise NonFiniteError(f"{metric} on validation is {figure}")
    return figure
