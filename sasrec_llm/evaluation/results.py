"""Answers of one or more systems to the same rows, measured by subset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sasrec_llm.data.interactions import Ints
from sasrec_llm.evaluation.bootstrap import Difference, Figure, difference, figure, resample
from sasrec_llm.evaluation.statistics import Folds, Mean, value
from sasrec_llm.evaluation.subsets import subset
from sasrec_llm.evaluation.task import Answers, Task
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


@dataclass(frozen=True, slots=True)
class Asked:
    """Rows, and what systems answered to them, once for each seed. Where users are in folds, a fold of them."""

    task: Task
    rows: Ints
    systems: Mapping[str, Sequence[Answers]]

    def of(self, name: str) -> Asked:
        """A subset of the rows."""
        mask = subset(name, self.task.data, self.rows)
        systems = {system: [answers[mask] for answers in by_seed] for system, by_seed in self.systems.items()}
        return Asked(self.task, self.rows[mask], systems)

    def statistics(self, system: str) -> list[dict[str, Statistic]]:
        """For each seed."""
        return [self.task.statistics(answers, self.rows) for answers in self.systems[system]]


def measure(folds: Sequence[Asked], names: Sequence[str], reference: str = "") -> list[Table]:
    """A table for each subset name. A system's figure is the mean over its seeds and over folds; with a reference, each
    system's figures less those of the reference, on the same draws of users."""
    return [_measure([fold.of(name) for fold in folds], name, reference) for name in names]


def _measure(folds: Sequence[Asked], name: str, reference: str) -> Table:
    table = sized(name, folds)
    statistics: dict[tuple[str, str], Statistic] = {}
    spread: dict[tuple[str, str], float] = {}
    for system in folds[0].systems:
        found = [fold.statistics(system) for fold in folds]
        for metric in found[0][0]:
            each = [[of_seed[metric] for of_seed in by_seed] for by_seed in found]
            means = [Mean(by_seed) if len(by_seed) > 1 else by_seed[0] for by_seed in each]
            statistics[system, metric] = Folds(means) if len(means) > 1 else means[0]
            values = [value(one) for by_seed in each for one in by_seed]
            if len(values) > 1:
                spread[system, metric] = float(np.std(values, ddof=1))
    draws = resample(statistics)
    for (system, metric), one in statistics.items():
        key, base = (system, metric), (reference, metric)
        table.systems.setdefault(system, {})[metric] = figure(one, draws[key], spread.get(key))
        if system != reference and base in statistics:
            gain = difference(one, statistics[base], draws[key], draws[base])
            table.differences.setdefault(system, {})[metric] = gain
    return table


def sized(name: str, folds: Sequence[Asked]) -> Table:
    """How many rows and users all folds have together."""
    counts = Counter[str]()
    for fold in folds:
        counts.update(fold.task.counts(fold.rows))
    users = sum(len(np.unique(fold.task.data.rows.users[fold.rows])) for fold in folds)
    return Table(name, sum(len(fold.rows) for fold in folds), users, dict(counts))
