"""A prepared dataset under a protocol, as flat arrays; batches are cut from them by indexing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sasrec_llm.data.card import Card, read_card, refuse_untimed
from sasrec_llm.data.database import connect, quoted, script
from sasrec_llm.data.texts import read_texts
from sasrec_llm.durable import digest, verify
from sasrec_llm.errors import DataError
from sasrec_llm.interfaces import Examples, Histories, Rows

SPLITS = ("train", "valid", "test")
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Interactions:
    """All rows of the protocol, ordered by user, time and line of the file.

    A user's likes stand side by side in `liked`, so the history of a row is a slice: `liked[start[row]:end[row]]`.
    """

    name: str
    protocol: str
    history_rule: str
    sha256: str  # of the data, the protocol, the history rule and what is said of items
    rows: Rows  # [rows]
    splits: NDArray[np.int8]  # [rows] index into SPLITS
    user_ids: Ints  # [n_users + 1] id in the prepared dataset
    item_ids: Ints  # [n_items + 1]
    titles: tuple[str, ...]  # what is said of an item; item 1 first
    liked: Ints  # [likes] items
    start: Ints  # [rows]
    end: Ints  # [rows]

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
        return Rows(self.rows.users[rows], self.rows.items[rows], self.rows.labels[rows], self.rows.times[rows])

    def histories(self, rows: Ints, length: int) -> Histories:
        """What was known before each row, its last `length` likes: [B, T]."""
        at = self.end[rows][:, None] + np.arange(-length, 0)  # [B, T]
        known = at >= self.start[rows][:, None]
        items = np.where(known, self.liked[np.maximum(at, 0)] if len(self.liked) else 0, 0)
        return Histories(
            torch.from_numpy(items),
            torch.from_numpy(self.end[rows] - self.start[rows]),
            torch.from_numpy(self.rows.users[rows]),
        )

    def examples(self, rows: Ints, length: int) -> Examples:
        """The rows as questions with one candidate each: C = 1."""
        targets = torch.from_numpy(self.rows.items[rows])[:, None]
        labels = torch.from_numpy(self.rows.labels[rows]).float()[:, None]
        return Examples(self.histories(rows, length), targets, labels)


def load_interactions(
    folder: Path, protocol: str, history_rule: str | None = None, text: str = "{title}", text_length: int = 300
) -> Interactions:
    """Read a prepared dataset, split it, and keep of users and items only those the protocol has rows of."""
    card = read_card(folder)
    refuse_untimed(card, protocol)
    verify(folder)
    with connect() as connection:
        for name in ("interactions", "items"):
            connection.execute(
                f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{quoted(str(folder / name))}.parquet')"
            )
        found = connection.execute(
            f'SELECT "user", item, label, "timestamp", part FROM ({script("protocol_" + protocol)}) '
            'WHERE part IS NOT NULL ORDER BY "user", "timestamp", line'
        ).fetchnumpy()
        texts = read_texts(connection, text, text_length)
    columns = {name: np.asarray(values).astype(np.int64) for name, values in found.items()}
    splits = columns["part"].astype(np.int8)
    _check_splits(card, protocol, splits, columns["label"])
    user_ids, users = np.unique(columns["user"], return_inverse=True)
    item_ids, items = np.unique(columns["item"], return_inverse=True)
    rows = Rows(users + 1, items + 1, columns["label"], columns["timestamp"])
    rule = history_rule or ("collm" if protocol == "collm" else card.history)
    start, end = history_bounds(rows, strict=rule == "strict")
    return Interactions(
        name=card.name,
        protocol=protocol,
        history_rule=rule,
        sha256=digest([card.sha256, protocol, rule, text, text_length]),
        rows=rows,
        splits=splits,
        user_ids=np.concatenate([[0], user_ids]),
        item_ids=np.concatenate([[0], item_ids]),
        titles=tuple(texts[item - 1] for item in item_ids),
        liked=rows.items[rows.labels == 1],
        start=start,
        end=end,
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


def _check_splits(card: Card, protocol: str, splits: NDArray[np.int8], labels: Ints) -> None:
    for code, split in enumerate(SPLITS):
        rows = labels[splits == code]
        if not len(rows):
            other = "" if protocol == "temporal" else '; set data.protocol = "temporal"'
            raise DataError(
                f"protocol {protocol!r} leaves no {split} rows in {card.name} ({card.span}){other}",
                hint=f"See its card: srl data show {card.name}",
            )
        if rows.min() == rows.max():
            raise DataError(
                f"{card.name}: every {split} row is a {'like' if rows[0] else 'dislike'}, so there is nothing to learn",
                hint="Give a rating column (--rating NAME) and the rating from which a row is a like (--like-at X)",
            )
