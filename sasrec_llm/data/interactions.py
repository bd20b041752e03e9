"""A prepared dataset under a protocol, as flat arrays; batches are cut from them by indexing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sasrec_llm.components import Task
from sasrec_llm.data.card import Card, read_card, refuse_untimed
from sasrec_llm.data.database import connect, quoted, set_variables, split_of
from sasrec_llm.data.texts import read_categories, read_texts
from sasrec_llm.durable import digest, verify
from sasrec_llm.errors import DataError
from sasrec_llm.interfaces import Examples, Histories, Rows
from sasrec_llm.protocols import TASKS

SPLITS = ("train", "valid", "test", "context")  # context: known when a question is asked, but not trained on
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Interactions:
    """All rows of the protocol, ordered by user, time and line of the file; for the task `next-item`, all likes.

    A user's likes stand side by side in `liked`, so the history of a row is a slice: `liked[start[row]:end[row]]`.
    """

    name: str
    protocol: str
    task: Task
    history_rule: str
    like_at: float
    sha256: str  # of the data, the protocol and its options, the task, the history rule and what is said of items
    rows: Rows  # [rows]
    splits: NDArray[np.int8]  # [rows] index into SPLITS
    user_ids: Ints  # [n_users + 1] id in the prepared dataset
    item_ids: Ints  # [n_items + 1]
    titles: tuple[str, ...]  # what is said of an item; item 1 first
    categories: tuple[str, ...]  # of an item, with commas between; "" where none is known
    liked: Ints  # [likes] items
    liked_at: Ints  # [likes] seconds
    start: Ints  # [rows]
    end: Ints  # [rows]
    options: Mapping[str, int | str] = field(default_factory=dict)  # of the protocol

    @property
    def n_users(self) -> int:
        return len(self.user_ids) - 1

    @property
    def n_items(self) -> int:
        return len(self.item_ids) - 1

    def of(self, split: str) -> Ints:
        """Row numbers of a split, in order."""
        return np.flatnonzero(self.splits == SPLITS.index(split))

    def take(self, rows: Ints) -> Rows:
        ratings = None if self.rows.ratings is None else self.rows.ratings[rows]
        return Rows(
            self.rows.users[rows], self.rows.items[rows], self.rows.labels[rows], self.rows.times[rows], ratings
        )

    def histories(self, rows: Ints, length: int) -> Histories:
        """What was known before each row, its last `length` likes: [B, T]."""
        return Histories(
            self._before(rows, length, self.liked),
            torch.from_numpy(self.end[rows] - self.start[rows]),
            torch.from_numpy(self.rows.users[rows]),
            torch.from_numpy(self.rows.times[rows]),
            self._before(rows, length, self.liked_at),
        )

    def seen(self, rows: Ints) -> Tensor:
        """All that was liked before each row: [B, S], padded with 0."""
        return self._before(rows, int((self.end[rows] - self.start[rows]).max(initial=0)), self.liked)

    def _before(self, rows: Ints, length: int, column: Ints) -> Tensor:
        at = self.end[rows][:, None] + np.arange(-length, 0)  # [B, T]
        known = at >= self.start[rows][:, None]
        return torch.from_numpy(np.where(known, column[np.maximum(at, 0)] if len(column) else 0, 0))

    def examples(self, rows: Ints, length: int) -> Examples:
        """The rows as questions with one candidate each: C = 1."""
        targets = torch.from_numpy(self.rows.items[rows])[:, None]
        labels = torch.from_numpy(self.rows.labels[rows]).float()[:, None]
        ratings = None if self.rows.ratings is None else torch.from_numpy(self.rows.ratings[rows])[:, None]
        return Examples(self.histories(rows, length), targets, labels, ratings)

    def popularity(self) -> Ints:
        """Likes of each item in train, [n_items + 1]."""
        train = self.of("train")
        return np.bincount(self.rows.items[train], weights=self.rows.labels[train], minlength=self.n_items + 1).astype(
            np.int64
        )


def load_interactions(
    folder: Path,
    protocol: str,
    history_rule: str | None = None,
    *,
    task: Task | None = None,
    options: Mapping[str, int | str] | None = None,
    text: str = "{title}",
    text_length: int = 300,
) -> Interactions:
    """Read a prepared dataset, split it, and keep of users and items only those the protocol has rows of."""
    card = read_card(folder)
    refuse_untimed(card, protocol)
    verify(folder)
    task, options = task or TASKS[protocol][0], dict(options or {})
    # Protocols that know one task only take every row as an event, whatever its rating.
    kept = "label = 1" if task == "next-item" and len(TASKS[protocol]) > 1 else "true"
    with connect() as connection:
        set_variables(connection, {"task": task, **options})
        for name in ("interactions", "items"):
            connection.execute(
                f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{quoted(str(folder / name))}.parquet')"
            )
        found = connection.execute(
            f'SELECT "user", item, label, "timestamp", part, rating FROM ({split_of(protocol)}) '
            f'WHERE part IS NOT NULL AND {kept} ORDER BY "user", "timestamp", line'
        ).fetchnumpy()
        texts, categories = read_texts(connection, text, text_length), read_categories(connection)
    rating = np.ma.filled(np.ma.asarray(found.pop("rating"), np.float32), np.nan)
    columns = {name: np.asarray(values).astype(np.int64) for name, values in found.items()}
    splits = columns["part"].astype(np.int8)
    if task == "next-item":
        columns["label"][:] = 1
    _check_splits(card, protocol, task, splits, columns["label"])
    user_ids, users = np.unique(columns["user"], return_inverse=True)
    item_ids, items = np.unique(columns["item"], return_inverse=True)
    ratings = rating if card.rated and task == "like" else None
    rows = Rows(users + 1, items + 1, columns["label"], columns["timestamp"], ratings)
    rule = history_rule or (card.history if len(TASKS[protocol]) > 1 else "collm")
    start, end = history_bounds(rows, strict=rule == "strict")
    return Interactions(
        name=card.name,
        protocol=protocol,
        task=task,
        history_rule=rule,
        like_at=card.like_at,
        sha256=digest([card.sha256, protocol, rule, task, text, text_length, *([options] if options else [])]),
        rows=rows,
        splits=splits,
        user_ids=np.concatenate([[0], user_ids]),
        item_ids=np.concatenate([[0], item_ids]),
        titles=tuple(texts[item - 1] for item in item_ids),
        categories=tuple(categories[item - 1] for item in item_ids),
        liked=rows.items[rows.labels == 1],
        liked_at=rows.times[rows.labels == 1],
        start=start,
        end=end,
        options=options,
    )


def history_bounds(rows: Rows, *, strict: bool) -> tuple[Ints, Ints]:
    """Where each row's history starts and ends in the list of likes.

    Rows are ordered, so it ends after the user's likes that stand before the row; `strict` also leaves out those of
    the row's own second.
    """
    before = np.cumsum(rows.labels) - rows.labels  # likes in all rows before
    new_user = np.concatenate([[True], rows.users[1:] != rows.users[:-1]])
    start = _carry(before, new_user)
    if not strict:
        return start, before
    new_moment = new_user | np.concatenate([[True], rows.times[1:] != rows.times[:-1]])
    return start, _carry(before, new_moment)


def _carry(values: Ints, first: NDArray[np.bool_]) -> Ints:
    """The value at the latest `first` row, for every row."""
    return values[np.maximum.accumulate(np.where(first, np.arange(len(values)), 0))]


def _check_splits(card: Card, protocol: str, task: Task, splits: NDArray[np.int8], labels: Ints) -> None:
    for code, split in enumerate(SPLITS[:3]):
        rows = labels[splits == code]
        if not len(rows):
            other = "" if protocol == "temporal" else '; set data.protocol = "temporal"'
            raise DataError(
                f"protocol {protocol!r} leaves no {split} rows in {card.name} ({card.span}){other}",
                hint=f"See its card: srl data show {card.name}",
            )
        if task == "like" and rows.min() == rows.max():
            raise DataError(
                f"{card.name}: every {split} row is a {'like' if rows[0] else 'dislike'}, so there is nothing to learn",
                hint="Give a rating column (--rating NAME) and the rating from which a row is a like (--like-at X), "
                'or ask what comes next: data.task = "next-item"',
            )
