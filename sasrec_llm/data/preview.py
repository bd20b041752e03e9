"""A look into a prepared dataset: a few users, items, and rows that were not taken."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sasrec_llm.data.card import read_card
from sasrec_llm.data.database import connect, quoted, script, set_variables
from sasrec_llm.durable import verify

LATEST = 10  # rows of a user


@dataclass(frozen=True, slots=True)
class Event:
    title: str
    liked: bool
    rating: float | None
    when: str  # a day, or the position where there are no times


@dataclass(frozen=True, slots=True)
class User:
    name: str  # in the files as they came, like those of items
    rows: int
    latest: list[Event]


@dataclass(frozen=True, slots=True)
class Item:
    name: str
    title: str
    category: str | None
    rows: int
    likes: int


@dataclass(frozen=True, slots=True)
class Rejects:
    file: str  # interactions or items
    reason: str
    rows: int
    lines: list[tuple[int, str | None]]  # number and text of the first


@dataclass(frozen=True, slots=True)
class Preview:
    users: list[User]
    items: list[Item]
    rejects: list[Rejects]


def preview(folder: Path, shown: int) -> Preview:
    """So many users from all over the dataset, as many of its most frequent items, and lines of each reason."""
    card = read_card(folder)
    verify(folder)
    count = min(shown, card.users)
    users = [1 + number * card.users // count for number in range(count)]
    with connect() as connection:
        for name in ("interactions", "items", "users", "rejects"):
            file = quoted(str(folder / f"{name}.parquet"))
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{file}')")
        connection.execute("SET VARIABLE shown_users = ?::INTEGER[]", [users])
        set_variables(connection, {"shown": shown, "latest": LATEST})
        events, items, lines = (
            connection.execute(script(f"preview_{name}")).fetchall() for name in ("users", "items", "rejects")
        )

    def event(title: str, label: int, rating: float | None, moment: int) -> Event:
        when = datetime.fromtimestamp(moment, UTC).date().isoformat() if card.timed else str(moment)
        return Event(title, bool(label), rating, when)

    return Preview(
        [
            User(name, n, [event(*row[2:]) for row in of])
            for (name, n), of in itertools.groupby(events, key=lambda row: row[:2])
        ],
        [Item(*row) for row in items],
        [
            Rejects(file, reason, n, [row[3:] for row in of])
            for (file, reason, n), of in itertools.groupby(lines, key=lambda row: row[:3])
        ],
    )
