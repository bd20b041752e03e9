"""Answers of one or more systems to the same rows, measured by subset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sasrec_llm.data.interactions import Ints
from sasrec_llm.evaluate.bootstrap import Figure, figure, resample
from sasrec_llm.evaluate.subsets import subset
from sasrec_llm.evaluate.task import Answers, Task

SMALL_ROWS, SMALL_USERS = 100, 30


@dataclass(frozen=True, slots=True)
class Table:
    """One subset of one split: how large it is, and each system's figures."""

    subset: str
    rows: int
    users: int
    counts: dict[str, int]
    systems: dict[str, dict[str, Figure]] = field(default_factory=dict)  # system -> metric -> figure

    @property
    def small(self) -> bool:
        """Too small to say which system is better."""
        return self.rows < SMALL_ROWS or min(self.users, self.counts.get("uauc_users", self.users)) < SMALL_USERS

    def dump(self) -> dict[str, Any]:
        return {
            "subset": self.subset,
            "rows": self.rows,
            "users": self.users,
            **self.counts,
            "small": self.small,
            "systems": {
                system: {metric: found.dump() for metric, found in figures.items()}
                for system, figures in self.systems.items()
            },
        }


def measure(systems: Mapping[str, Answers], task: Task, rows: Ints, names: Sequence[str]) -> list[Table]:
    """A table for each subset name."""
    tables = []
    for name in names:
        mask = subset(name, task.data, rows)
        table = sized(name, task, rows[mask])
        statistics = {
            (system, metric): found
            for system, answers in systems.items()
            for metric, found in task.statistics(answers[mask], rows[mask]).items()
        }
        draws = resample(statistics)
        for (system, metric), found in statistics.items():
            table.systems.setdefault(system, {})[metric] = figure(found, draws[system, metric])
        tables.append(table)
    return tables


def sized(name: str, task: Task, rows: Ints) -> Table:
    return Table(name, len(rows), len(np.unique(task.data.rows.users[rows])), task.counts(rows))
