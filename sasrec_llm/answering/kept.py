"""What an export keeps of the data: what items and users are called, counts, and the rows themselves if so wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_llm.data.database import connect, write_parquet
from sasrec_llm.data.interactions import Interactions, Ints, history_bounds
from sasrec_llm.data.names import Names
from sasrec_llm.data.training import Training
from sasrec_llm.durable import read_json, write_json
from sasrec_llm.errors import RunError
from sasrec_llm.interfaces import Examples, Rows, TrainingData

DATA = "data.json"


@dataclass(frozen=True, slots=True)
class Kept:
    """A run's data as far as answering needs it."""

    data: Interactions  # without rows, in an export that has none
    training: TrainingData
    names: Names
    now: int  # the moment of asking, seconds: just after the last row


class RowsNeededError(RunError):
    def __init__(self) -> None:
        super().__init__(
            "this system looks at the rows that it learned from, and an export has none",
            hint="Export the run with them: srl export RUN --to DIR --with-rows",
        )


class Counted:
    """Training data of which only counts are left."""

    def __init__(self, *, popularity: Ints, first_seen: Ints, rated: bool) -> None:
        self.popularity, self.first_seen, self.rated = popularity, first_seen, rated

    def rows(self, split: str = "train") -> Rows:
        raise RowsNeededError

    def examples(self, split: str, index: Ints, length: int) -> Examples:
        raise RowsNeededError


def write_kept(folder: Path, kept: Kept, *, rows: bool) -> None:
    data, training = kept.data, kept.training
    items = {
        "item": np.arange(1, data.n_items + 1),
        "id": np.array(kept.names.items, object),
        "title": np.array(kept.names.titles, object),
        "text": np.array(data.titles, object),
        "category": np.array(data.categories, object),
        "likes": training.popularity[1:],
        "first_seen": training.first_seen[1:],
    }
    _write(folder / "items.parquet", items)
    _write(folder / "users.parquet", {"user": np.arange(1, data.n_users + 1), "id": np.array(kept.names.users, object)})
    if rows:
        columns: dict[str, NDArray[Any]] = {"user": data.rows.users, "item": data.rows.items, "label": data.rows.labels}
        columns |= {"timestamp": data.rows.times, "split": data.splits}
        if data.rows.ratings is not None:
            columns["rating"] = data.rows.ratings
        _write(folder / "rows.parquet", columns)
    about: dict[str, Any] = {
        "name": data.name,
        "protocol": data.protocol,
        "task": data.task,
        "history_rule": data.history_rule,
    }
    about |= {"like_at": data.like_at, "sha256": data.sha256, "options": dict(data.options)}
    write_json(folder / DATA, {**about, "rated": training.rated, "now": kept.now})


def read_kept(folder: Path) -> Kept:
    about = read_json(folder / DATA)
    items, users = _read(folder / "items.parquet"), _read(folder / "users.parquet")
    has_rows = (folder / "rows.parquet").is_file()
    columns: Mapping[str, NDArray[Any]] = _read(folder / "rows.parquet") if has_rows else {}
    none = np.array([], np.int64)
    users_, items_, labels, times = (columns.get(name, none) for name in ("user", "item", "label", "timestamp"))
    rows = Rows(users_, items_, labels, times, columns.get("rating"))
    start, end = history_bounds(rows, strict=about["history_rule"] == "strict") if has_rows else (none, none)
    data = Interactions(
        name=about["name"],
        protocol=about["protocol"],
        task=about["task"],
        history_rule=about["history_rule"],
        like_at=about["like_at"],
        sha256=about["sha256"],
        rows=rows,
        splits=columns.get("split", none).astype(np.int8),
        user_ids=np.arange(len(users["user"]) + 1),
        item_ids=np.arange(len(items["item"]) + 1),
        titles=tuple(items["text"]),
        categories=tuple(items["category"]),
        liked=rows.items[rows.labels == 1],
        liked_at=rows.times[rows.labels == 1],
        start=start,
        end=end,
        options=about["options"],
    )
    counted = Counted(
        popularity=np.concatenate([[0], items["likes"]]),
        first_seen=np.concatenate([[-1], items["first_seen"]]),
        rated=about["rated"],
    )
    names = Names(tuple(items["id"]), tuple(items["title"]), tuple(users["id"]))
    return Kept(data, Training(data) if has_rows else counted, names, about["now"])


def _write(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    with connect() as connection:
        connection.register("columns", dict(columns))
        write_parquet(connection, "SELECT * FROM columns", path)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """Columns, in the order in which they were written."""
    with connect() as connection:
        found = connection.execute("SELECT * FROM read_parquet(?)", [str(path)]).fetchnumpy()
    return {name: np.asarray(values) for name, values in found.items()}
