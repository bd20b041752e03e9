"""Predictions of one or more systems on the same rows: kept as Parquet, measured by subset."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_llm.data.database import connect, write_parquet
from sasrec_llm.data.interactions import SPLITS, Interactions, Ints
from sasrec_llm.errors import DamagedError
from sasrec_llm.evaluate.metrics import uauc_users
from sasrec_llm.evaluate.scoring import probability
from sasrec_llm.evaluate.subsets import subset
from sasrec_llm.interfaces import Metric, Scored

Logits = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Table:
    """One subset of one split: how large it is, and each system's figures."""

    subset: str
    rows: int
    users: int
    uauc_users: int  # users with both classes
    systems: dict[str, dict[str, float | None]] = field(default_factory=dict)  # system -> metric -> value

    def dump(self) -> dict[str, Any]:
        return {
            "subset": self.subset,
            "rows": self.rows,
            "users": self.users,
            "uauc_users": self.uauc_users,
            "systems": self.systems,
        }


def measure(
    systems: Mapping[str, Logits], data: Interactions, rows: Ints, names: Sequence[str], metrics: Mapping[str, Metric]
) -> list[Table]:
    """A table for each subset name. A metric that is not defined is None."""
    tables = []
    for name in names:
        mask = subset(name, data, rows)
        users, labels = data.rows.users[rows][mask], data.rows.labels[rows][mask]
        counts = uauc_users(Scored(users, labels, np.zeros(len(users))))
        table = Table(name, int(mask.sum()), len(np.unique(users)), counts)
        for system, logits in systems.items():
            scored = Scored(users, labels, probability(logits[mask]))
            values = {metric: measure(scored) for metric, measure in metrics.items()}
            table.systems[system] = {key: None if math.isnan(value) else value for key, value in values.items()}
        tables.append(table)
    return tables


def save_predictions(path: Path, data: Interactions, scores: Mapping[str, Mapping[str, Logits]]) -> None:
    """system -> split -> logits of all its rows; user and item as in the prepared dataset."""
    columns: dict[str, list[NDArray[Any]]] = {
        key: [] for key in ("system", "split", "row", "user", "item", "label", "logit", "probability")
    }
    for system, splits in scores.items():
        for split, logits in splits.items():
            rows = data.of(split)
            columns["system"].append(np.full(len(rows), system))
            columns["split"].append(np.full(len(rows), split))
            columns["row"].append(np.arange(len(rows)))
            columns["user"].append(data.user_ids[data.rows.users[rows]])
            columns["item"].append(data.item_ids[data.rows.items[rows]])
            columns["label"].append(data.rows.labels[rows])
            columns["logit"].append(logits)
            columns["probability"].append(probability(logits))
    predictions = {key: np.concatenate(values) for key, values in columns.items()}
    with connect() as connection:
        connection.register("predictions", predictions)
        write_parquet(connection, "SELECT * FROM predictions", path)


def load_predictions(path: Path, data: Interactions) -> dict[str, dict[str, Logits]]:
    """What `save_predictions` wrote, checked against the rows of `data`."""
    with connect() as connection:
        found = connection.execute(
            "SELECT system, split, item, logit FROM read_parquet(?) ORDER BY system, split, row", [str(path)]
        ).fetchnumpy()
    scores: dict[str, dict[str, Logits]] = {}
    system, split = np.asarray(found["system"]).astype(str), np.asarray(found["split"]).astype(str)
    for name in np.unique(system):
        for part in SPLITS:
            mask = (system == name) & (split == part)
            if mask.any():
                expected = data.item_ids[data.rows.items[data.of(part)]]
                if not np.array_equal(np.asarray(found["item"])[mask], expected):
                    raise DamagedError(f"{path} was made on other rows than those of {data.name} ({data.protocol})")
                scores.setdefault(str(name), {})[part] = np.asarray(found["logit"])[mask]
    return scores
