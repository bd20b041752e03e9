"""Answers of one or more systems, kept as Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sasrec_llm.data.database import connect, write_parquet
from sasrec_llm.data.interactions import SPLITS
from sasrec_llm.errors import DamagedError
from sasrec_llm.evaluation.task import Answers, Task


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
