"""What items and users are called in the person's own files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sasrec_llm.data.database import connect
from sasrec_llm.data.interactions import Interactions


@dataclass(frozen=True, slots=True)
class Names:
    """Ids as they are in the files, and titles; item and user 1 first."""

    items: tuple[str, ...]
    titles: tuple[str, ...]  # the id, where there is none
    users: tuple[str, ...]


def read_names(folder: Path, data: Interactions) -> Names:
    """Of the items and users that the protocol has rows of."""
    with connect() as connection:
        items = connection.execute(
            "SELECT original, coalesce(title, original) FROM read_parquet(?) ORDER BY item",
            [str(folder / "items.parquet")],
        ).fetchall()
        users = connection.execute(
            "SELECT original FROM read_parquet(?) ORDER BY user", [str(folder / "users.parquet")]
        ).fetchall()
    return Names(
        items=tuple(items[item - 1][0] for item in data.item_ids[1:]),
        titles=tuple(items[item - 1][1] for item in data.item_ids[1:]),
        users=tuple(users[user - 1][0] for user in data.user_ids[1:]),
    )
