"""A dataset so small that a recipe is through in seconds, and in which there is something to find."""

from __future__ import annotations

import csv
import random
from pathlib import Path

from sasrec_llm.data.own import OwnData, own_source
from sasrec_llm.data.prepare import prepare
from sasrec_llm.runs import Workspace
from sasrec_llm.testing.world import context

NAME = "tiny"
N_USERS, N_ITEMS, EACH = 80, 40, 16  # ratings of a user
YEARS = 3 * 365 * 86_400  # seconds


def tiny_workspace(folder: Path) -> Workspace:
    """A workspace in `folder` in which the dataset `tiny` is prepared: 80 users rate 16 of 40 items over three years.

    An item's title names its colour; a user likes one of the two. What is liked next is often the next item of that
    colour. So titles, histories and sequences all tell something.
    """
    files = folder / "files"
    files.mkdir(parents=True, exist_ok=True)
    for name, head, rows in (
        ("ratings", ("user", "item", "rating", "timestamp"), ratings()),
        ("items", ("item", "title"), titles()),
    ):
        with (files / f"{name}.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([head, *rows])
    place = Workspace(folder / "data", folder / "runs", context().cache)
    place.data.mkdir(exist_ok=True)
    own = OwnData(items=str(files / "items.csv"))
    prepare(own_source(NAME), given=files / "ratings.csv", folder=place.data / NAME, cache=place.cache, own=own)
    return place


def titles() -> list[tuple[object, ...]]:
    return [(item, f"{('Red', 'Blue')[item % 2]} film {item} ({1980 + item})") for item in range(1, N_ITEMS + 1)]


def ratings() -> list[tuple[object, ...]]:
    chance = random.Random(7)
    rows: list[tuple[object, ...]] = []
    for user in range(1, N_USERS + 1):
        liked, left = 0, list(range(1, N_ITEMS + 1))
        moments = sorted(chance.randrange(YEARS) for _ in range(EACH))
        for moment in moments:
            following = liked + 2 if liked + 2 <= N_ITEMS else 2 - liked % 2
            item = following if liked and following in left and chance.random() < 0.6 else chance.choice(left)
            left.remove(item)
            suits = (item % 2 == user % 2) != (chance.random() < 0.1)
            rows.append((user, item, chance.choice((4, 5) if suits else (1, 2, 3)), 1_000_000_000 + moment))
            liked = item if suits else liked
    return rows
