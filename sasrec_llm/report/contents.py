"""A run, or a comparison of several, to the contents of a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sasrec_llm.components import Task
from sasrec_llm.data.card import Card
from sasrec_llm.data.interactions import Interactions
from sasrec_llm.evaluation.examiner import Cost
from sasrec_llm.evaluation.results import Table
from sasrec_llm.plugins import Plugins
from sasrec_llm.report.examples import examples
from sasrec_llm.report.measures import first_best, headlines, measure_of, value_of
from sasrec_llm.report.predictions import Predictions, popularity, read_predictions, reliability
from sasrec_llm.report.reading import Reading, read_run, read_table
from sasrec_llm.report.records import Contents, Kind, Measure, Reliability

MOST = 6  # systems in a figure that has a curve for each


@dataclass(frozen=True, slots=True)
class Prepared:
    """The dataset that was scored; without it, why, and how to get it back."""

    data: Interactions | None = None
    card: Card | None = None
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What is not read of the runs one by one."""

    title: str
    test: Sequence[Table]
    systems: Mapping[str, Kind]
    costs: Mapping[str, Cost]
    reference: str = ""
    valid: Sequence[Table] = field(default_factory=list)


def contents_of_run(folder: Path, prepared: Prepared, plugins: Plugins) -> Contents:
    run = read_run(folder)
    alone = Compared(
        title=folder.name,
        test=run.test,
        systems=run.systems,
        costs=run.costs,
        reference=run.reference,
        valid=run.valid,
    )
    return contents([run], alone, prepared, plugins)


def contents_of_comparison(comparison: Mapping[str, Any], runs: Path, prepared: Prepared, plugins: Plugins) -> Contents:
    """`comparison`: as in comparison.json; `runs`: where the folders of its members are."""
    read = [read_run(runs / name, label) for label, names in comparison["members"].items() for name in names]
    known = {name: kind for run in read for name, kind in run.systems.items()}
    test = [read_table(table) for table in comparison["test"]]
    systems = {name: kind for name, kind in known.items() if name in test[0].systems and kind != "floor"}
    labels = list(comparison["members"])
    listed = " and ".join(labels) if len(labels) < 3 else f"{len(labels)} systems"
    compared = Compared(
        title=comparison["name"] or f"Comparison of {listed}" if len(labels) > 1 else f"{labels[0]}, {len(read)} seeds",
        test=test,
        systems=systems | dict.fromkeys(comparison["floors"], "floor"),
        costs={name: Cost(**cost) for name, cost in comparison["cost"].items()},
        reference=comparison["reference"],
    )
    return contents(read, compared, prepared, plugins)


def contents(runs: Sequence[Reading], compared: Compared, prepared: Prepared, plugins: Plugins) -> Contents:
    first = {run.label: run for run in reversed(runs)}  # of several seeds, the first
    test, data, alone = compared.test, prepared.data, len(runs) == 1
    task: Task = "like" if runs[0].data["task"] == "like" else "next-item"
    measures = {
        name: measure_of(name, plugins) for table in test for values in table.systems.values() for name in values
    }
    lead = measures[headlines(task, measures)[0]]
    floors = [name for name, kind in compared.systems.items() if kind == "floor"]
    floor = first_best(whole(test), lead, floors)
    answers = dict(predictions(best_first(first, whole(test), lead), floor))
    notes = {} if answers else {"rows": "predictions.parquet is gone; run the recipe again to get it back."}
    if task == "next-item":
        notes["calibration"] = "Calibration is not drawn: what comes next is ranked, without probabilities."
    if data is None:
        notes["data"] = prepared.missing
    elif not all(found.fits(data) for found in answers.values()):
        data, notes["data"] = None, "The prepared data has other test rows than those that were scored."
    own = answers.get(runs[0].label)
    return Contents(
        title=compared.title,
        data=runs[0].data,
        measures=measures,
        systems=compared.systems,
        test=test,
        valid=compared.valid,
        reference=compared.reference,
        baseline=baseline(runs, compared.reference, floors),
        costs=compared.costs,
        trainings=[run.training for run in runs],
        answers={name: run.answers[name] for run in reversed(first.values()) for name in run.answers},
        reliability=curves(answers, "probability"),
        calibrated=curves({name: answers[name] for name in answers if name != floor}, "calibrated"),
        popularity=popularity(data, answers) if data is not None and answers else None,
        examples=list(examples(data, own)) if data is not None and own and alone else [],
        card=prepared.card.lines() if prepared.card else [],
        sources=[run.source for run in first.values()],
        notes=notes,
    )


def whole(tables: Sequence[Table]) -> Table:
    return next((table for table in tables if table.subset == "all"), tables[0])


def baseline(runs: Sequence[Reading], reference: str, floors: Sequence[str]) -> str:
    """What relative figures stand against: as in the paper the untuned language model, else the simplest floor."""
    untuned = [run.label for run in runs if run.untuned and len(runs) > 1]
    return next(iter([*untuned, *floors, reference]))


def best_first(runs: Mapping[str, Reading], table: Table, lead: Measure) -> list[Reading]:
    sign = -1 if lead.better == "higher" else 1
    return sorted(runs.values(), key=lambda run: sign * (value_of(table, run.label, lead.name) or 0))


def predictions(runs: Sequence[Reading], floor: str) -> Iterable[tuple[str, Predictions]]:
    """Answers, row by row, of the runs' own systems and of the best floor."""
    wanted = [(run, run.label) for run in runs[: MOST - 1]] + [(run, floor) for run in runs if floor in run.renamed][:1]
    for run, name in wanted:
        found = read_predictions(run.folder / "predictions.parquet", run.renamed[name])
        if found is not None:
            yield name, found


def curves(answers: Mapping[str, Predictions], column: str) -> dict[str, Reliability]:
    """Of the systems that gave probabilities."""
    return {
        name: reliability(found.columns["label"], found.columns[column])
        for name, found in answers.items()
        if column in found.columns and np.isfinite(found.columns[column]).all()
    }
