"""Answers of one or more systems to the same rows, measured by subset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sasrec_llm.data.interactions import Ints
from sasrec_llm.evaluate.bootstrap import Difference, Figure, difference, figure, resample
from sasrec_llm.evaluate.statistics import Mean, value
from sasrec_llm.evaluate.subsets import subset
from sasrec_llm.evaluate.task import Answers, Task
from sasrec_llm.interfaces import Statistic

SMALL_ROWS, SMALL_USERS = 100, 30


@dataclass(frozen=True, slots=True)
class Table:
    """One subset of one split: how large it is, and each system's figures."""

    subset: str
    rows: int
    users: int
    counts: dict[str, int]
    systems: dict[str, dict[str, Figure]] = field(default_factory=dict)  # system -> metric -> figure
    differences: dict[str, dict[str, Difference]] = field(default_factory=dict)  # from the reference, if there is one

    @property
    def small(self) -> bool:
        """Too small to say which system is better."""
        return self.rows < SMALL_ROWS or min(self.users, self.counts.get("uauc_users", self.users)) < SMALL_USERS

    def values(self, system: str) -> dict[str, float | None]:
        return {metric: found.value for metric, found in self.systems[system].items()}

    def dump(self) -> dict[str, Any]:
        return {
            "subset": self.subset,
            "rows": self.rows,
            "users": self.users,
            **self.counts,
            "small": self.small,
            "systems": dumped(self.systems),
            **({"differences": dumped(self.differences)} if self.differences else {}),
        }


def dumped(systems: Mapping[str, Mapping[str, Figure | Difference]]) -> dict[str, dict[str, dict[str, Any]]]:
    return {system: {metric: found.dump() for metric, found in figures.items()} for system, figures in systems.items()}


def measure(
    systems: Mapping[str, Sequence[Answers]], task: Task, rows: Ints, names: Sequence[str], reference: str = ""
) -> list[Table]:
    """A table for each subset name. A system has answered once for each seed, and its figure is the mean over them;
    with a reference, each system's figures less those of the reference, on the same draws of users."""
    tables = []
    for name in names:
        mask = subset(name, task.data, rows)
        table = sized(name, task, rows[mask])
        statistics: dict[tuple[str, str], Statistic] = {}
        spread: dict[tuple[str, str], float] = {}
        for system, by_seed in systems.items():
            found = [task.statistics(answers[mask], rows[mask]) for answers in by_seed]
            for metric in found[0]:
                each = [of_seed[metric] for of_seed in found]
                statistics[system, metric] = Mean(each) if len(each) > 1 else each[0]
                if len(each) > 1:
                    spread[system, metric] = float(np.std([value(one) for one in each], ddof=1))
        draws = resample(statistics)
        for (system, metric), one in statistics.items():
            key = (system, metric)
            table.systems.setdefault(system, {})[metric] = figure(one, draws[key], spread.get(key))
            base = (reference, metric)
            if system != reference and base in statistics:
                gain = difference(one, statistics[base], draws[key], draws[base])
                table.differences.setdefault(system, {})[metric] = gain
        tables.append(table)
    return tables


def sized(name: str, task: Task, rows: Ints) -> Table:
    return Table(name, len(rows), len(np.unique(task.data.rows.users[rows])), task.counts(rows))
