"""One or more runs to the contents of a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from sasrec_llm.components import Task
from sasrec_llm.data.card import Card
from sasrec_llm.data.interactions import Interactions
from sasrec_llm.errors import RunError
from sasrec_llm.plugins import Plugins
from sasrec_llm.report.examples import examples
from sasrec_llm.report.measures import first_best, headlines, measure_of
from sasrec_llm.report.predictions import Predictions, popularity, read_predictions, reliability
from sasrec_llm.report.reading import Reading, read_run
from sasrec_llm.report.records import Contents, Example, Kind, Measure, Popularity, Reliability, Results

MOST = 6  # systems in a figure that has a curve for each


def contents(
    folders: Sequence[Path], *, plugins: Plugins, data: Interactions | None, card: Card | None, missing: str = ""
) -> Contents:
    """`missing`: why there is no data to take titles and popularity from, and how to get it back."""
    runs = read_runs(folders)
    first, alone = runs[0], len(runs) == 1
    systems = in_order(runs)
    test = merged([run.test for run in runs])
    measures = {name: measure_of(name, plugins) for name in names_of(test)}
    floor = best_floor(first, measures, systems)
    answers = dict(predictions(best_first(runs, test, measures), floor))
    notes = {} if answers else {"rows": "predictions.parquet is gone; run the recipe again to get it back."}
    if task_of(first) == "next-item":
        notes["calibration"] = "Calibration is not drawn: what comes next is ranked, without probabilities."
    if data is None:
        notes["data"] = missing
    elif not all(found.fits(data) for found in answers.values()):
        data, notes["data"] = None, "The prepared data has other test rows than those that were scored."
    shown: list[Example] = []
    popular: Popularity | None = None
    if data is not None and answers:
        popular = popularity(data, answers)
        shown = list(examples(data, answers[first.label])) if alone and first.label in answers else []
    return Contents(
        title=first.source.run if alone else f"Comparison of {_listed([run.label for run in runs])}",
        data=first.data,
        measures=measures,
        systems=systems,
        test=test,
        valid=merged([run.valid for run in runs]),
        reference=next((run.label for run in runs if run.untuned and not alone), next(iter(_of(systems, "floor")), "")),
        costs={name: run.costs[name] for run in reversed(runs) for name in run.costs},
        trainings=[run.training for run in runs],
        answers={name: run.answers[name] for run in reversed(runs) for name in run.answers},
        reliability=curves(answers, "probability"),
        calibrated=curves({name: answers[name] for name in answers if name != floor}, "calibrated"),
        popularity=popular,
        examples=shown,
        card=card.lines() if card else [],
        sources=[run.source for run in runs],
        notes=notes,
    )


def read_runs(folders: Sequence[Path]) -> list[Reading]:
    """Runs of one name are told apart by their hash; runs on other data cannot stand in one table."""
    runs = [read_run(folder, alone=len(folders) == 1) for folder in dict.fromkeys(folders)]
    for run in runs:
        if run.data["sha256"] != runs[0].data["sha256"]:
            raise RunError(
                f"{runs[0].folder.name} was scored on {rows_of(runs[0])}, {run.folder.name} on {rows_of(run)}, or on "
                "that prepared in another way",
                hint="Report them one by one",
            )
    twice = {label for label, count in Counter(run.label for run in runs).items() if count > 1}
    return [
        read_run(run.folder, f"{run.label} ({run.folder.name[-6:]})", alone=False) if run.label in twice else run
        for run in runs
    ]


def rows_of(run: Reading) -> str:
    return f"{run.data['name']} ({run.data['protocol']}, {run.data['task']})"


def in_order(runs: Sequence[Reading]) -> dict[str, Kind]:
    """Every run's own systems, then the floors, each once."""
    found = {name: kind for run in runs for name, kind in run.systems.items() if kind != "floor"}
    return found | {
        name: kind for run in runs for name, kind in run.systems.items() if kind == "floor" and name not in found
    }


def merged(runs: Sequence[Sequence[Results]]) -> list[Results]:
    """One table for each subset; a floor's figures are those of the first run that has it."""
    subsets = list(dict.fromkeys(table.subset for tables in runs for table in tables))
    found = []
    for subset in subsets:
        tables = [table for tables in runs for table in tables if table.subset == subset]
        systems = {name: values for table in reversed(tables) for name, values in table.systems.items()}
        head = tables[0]
        found.append(Results(subset, head.rows, head.users, head.note, head.meaning, head.small, systems))
    return found


def names_of(tables: Iterable[Results]) -> list[str]:
    """Every metric, in the order of the tables."""
    return list(dict.fromkeys(name for table in tables for values in table.systems.values() for name in values))


def best_floor(run: Reading, measures: Mapping[str, Measure], systems: Mapping[str, Kind]) -> str:
    return first_best(whole(run.test), measures[headlines(task_of(run), measures)[0]], _of(systems, "floor"))


def whole(tables: Sequence[Results]) -> Results:
    return next((table for table in tables if table.subset == "all"), tables[0])


def task_of(run: Reading) -> Task:
    return "like" if run.data["task"] == "like" else "next-item"


def best_first(runs: Sequence[Reading], test: Sequence[Results], measures: Mapping[str, Measure]) -> list[Reading]:
    lead = headlines(task_of(runs[0]), measures)[0]
    sign = -1 if measures[lead].better == "higher" else 1
    return sorted(runs, key=lambda run: sign * (whole(test).value(run.label, lead) or 0))


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


def _of(systems: Mapping[str, Kind], kind: Kind) -> list[str]:
    return [name for name, found in systems.items() if found == kind]


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names) if len(names) < 3 else f"{len(names)} systems"
