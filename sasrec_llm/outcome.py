"""What a run found, and how it is kept in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sasrec_llm.data.interactions import Interactions
from sasrec_llm.durable import new_file, read_json, write_json, write_text
from sasrec_llm.evaluation.bootstrap import Figure
from sasrec_llm.evaluation.examiner import EVALUATED, Cost
from sasrec_llm.evaluation.predictions import save_predictions
from sasrec_llm.evaluation.results import Asked, Table, measure
from sasrec_llm.evaluation.task import Answers, Task
from sasrec_llm.recipe import Recipe
from sasrec_llm.report.tables import plain
from sasrec_llm.runs import Run
from sasrec_llm.train.stages import Chain

TOOK = ("seconds", "total_seconds", "pairs_per_second", "peak_memory_mb")  # facts of a stage that no run repeats


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished run and its figures."""

    run: Run
    system: str
    tables: Mapping[str, list[Table]]  # split -> one table for each subset

    def figures(self, subset: str = "all", split: str = "test") -> dict[str, Figure]:
        """The system's own, by metric: each has a value and the ends of its interval."""
        return next(table.systems[self.system] for table in self.tables[split] if table.subset == subset)

    def values(self) -> dict[str, dict[str, float | None]]:
        """The system's own on test: subset -> metric -> figure."""
        return {table.subset: table.values(self.system) for table in self.tables["test"]}


def about(data: Interactions) -> dict[str, Any]:
    return {
        "name": data.name,
        "protocol": data.protocol,
        "task": data.task,
        "history": data.history_rule,
        **data.options,
        "sha256": data.sha256,
    }


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
