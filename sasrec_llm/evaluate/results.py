"""Answers of one or more systems to the same rows: kept as Parquet, measured by subset."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sasrec_llm.data.database import connect, write_parquet
from sasrec_llm.data.interactions import SPLITS, Interactions, Ints
from sasrec_llm.devices import Device
from sasrec_llm.errors import DamagedError
from sasrec_llm.evaluate.ranking import NextItemTask
from sasrec_llm.evaluate.scoring import LikeTask
from sasrec_llm.evaluate.subsets import subset
from sasrec_llm.interfaces import Metric, Recommender

Answers = Any  # what a task's `answer` returns; indexed by rows like an array


class Task(Protocol):
    """What is asked of a recommender about each row, and what the answers are worth."""

    data: Interactions
    metrics: Mapping[str, Metric]

    def answer(
        self, recommender: Recommender, rows: Ints, *, history_length: int, device: Device, batch_size: int, who: str
    ) -> Answers: ...

    def figures(self, answers: Answers, rows: Ints) -> dict[str, float]: ...

    def counts(self, rows: Ints) -> dict[str, int]:
        """What a reader must know of the rows beside how many they are."""
        ...

    def distribution(self, answers: Answers, rows: Ints) -> dict[str, list[int]]:
        """The answers as counts, for a histogram."""
        ...

    def columns(self, answers: Answers, rows: Ints) -> dict[str, NDArray[Any]]:
        """The answers as columns of a table."""
        ...

    def from_columns(self, columns: Mapping[str, NDArray[Any]]) -> Answers: ...


def make_task(data: Interactions, metrics: Mapping[str, Metric], kept: int) -> Task:
    """`kept`: the longest list that a metric looks at."""
    return LikeTask(data, metrics) if data.task == "like" else NextItemTask(data, metrics, kept)


@dataclass(frozen=True, slots=True)
class Table:
    """One subset of one split: how large it is, and each system's figures."""

    subset: str
    rows: int
    users: int
    counts: dict[str, int]
    systems: dict[str, dict[str, float | None]] = field(default_factory=dict)  # system -> metric -> value

    def dump(self) -> dict[str, Any]:
        return {
            "subset": self.subset,
            "rows": self.rows,
            "users": self.users,
            **self.counts,
            "systems": self.systems,
        }


def measure(systems: Mapping[str, Answers], task: Task, rows: Ints, names: Sequence[str]) -> list[Table]:
    """A table for each subset name. A metric that is not defined is None."""
    tables = []
    for name in names:
        mask = subset(name, task.data, rows)
        table = Table(name, int(mask.sum()), len(np.unique(task.data.rows.users[rows][mask])), task.counts(rows[mask]))
        for system, answers in systems.items():
            values = task.figures(answers[mask], rows[mask])
            table.systems[system] = {key: None if math.isnan(value) else value for key, value in values.items()}
        tables.append(table)
    return tables


def save_predictions(path: Path, task: Task, answers: Mapping[str, Mapping[str, Answers]]) -> None:
    """system -> split -> answers to all its rows; user and item as in the prepared dataset."""
    data, parts = task.data, []
    for system, splits in answers.items():
        for split, found in splits.items():
            rows = data.of(split)
            about = {
                "system": np.full(len(rows), system),
                "split": np.full(len(rows), split),
                "row": np.arange(len(rows)),
                "user": data.user_ids[data.rows.users[rows]],
                "item": data.item_ids[data.rows.items[rows]],
            }
            parts.append(about | task.columns(found, rows))
    predictions = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    with connect() as connection:
        connection.register("predictions", predictions)
        write_parquet(connection, "SELECT * FROM predictions", path)


def load_predictions(path: Path, task: Task) -> dict[str, dict[str, Answers]]:
    """What `save_predictions` wrote, checked against the rows of the task's data."""
    data = task.data
    with connect() as connection:
        found = connection.execute(
            "SELECT * FROM read_parquet(?) ORDER BY system, split, row", [str(path)]
        ).fetchnumpy()
    columns = {name: np.asarray(values) for name, values in found.items()}
    answers: dict[str, dict[str, Answers]] = {}
    system, split = columns["system"].astype(str), columns["split"].astype(str)
    for name in np.unique(system):
        for part in SPLITS:
            mask = (system == name) & (split == part)
            if mask.any():
                expected = data.item_ids[data.rows.items[data.of(part)]]
                if not np.array_equal(columns["item"][mask], expected):
                    raise DamagedError(f"{path} was made on other rows than those of {data.name} ({data.protocol})")
                answers.setdefault(str(name), {})[part] = task.from_columns(
                    {key: values[mask] for key, values in columns.items()}
                )
    return answers
