"""`srl data show --preview`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sasrec_llm.data.preview import LATEST, preview
from tests.small_data import prepared

DAY = 86_400
ROWS = [("ann", "a", 5, 1 * DAY), ("bob", "b", 1, 2 * DAY), *(("ann", f"x{i}", 4, (3 + i) * DAY) for i in range(12))]
BAD = [("ann", "a", "many", 9 * DAY), ("", "a", 5, 9 * DAY)]


@pytest.fixture
def shop(workspace: Path) -> Path:
    """Two users; "a" and "b" have titles, of which one would clear the screen."""
    more = [("bob", "a", 5, 40 * DAY + i) for i in range(60)]
    titles = ["a,Tea \x1b[2Jpot", "b,Cup"]
    return prepared(workspace / "data" / "shop", [*ROWS, *more, *BAD], items=titles)


def test_users_items_and_rejected_rows(shop: Path) -> None:
    seen = preview(shop, 5)
    ann, bob = seen.users
    assert (ann.name, ann.rows, bob.name) == ("ann", 13, "bob")
    assert [event.title for event in ann.latest] == [f"x{i}" for i in range(12 - LATEST, 12)], (
        "the latest, oldest first"
    )
    assert (ann.latest[-1].when, ann.latest[-1].liked, ann.latest[-1].rating) == ("1970-01-15", True, 4.0)
    assert len(bob.latest) <= LATEST
    assert [(item.name, item.rows) for item in seen.items][:1] == [("a", max(item.rows for item in seen.items))]
    assert len(seen.items) == 5
    assert sum(found.rows for found in seen.rejects) == 2
    (number, text) = next(found.lines[0] for found in seen.rejects if "rating" in found.reason)
    assert text
    assert "many" in text
    assert number == len(ROWS) + 60 + 1


def test_fewer_users_than_asked_for_are_each_shown_once(shop: Path, demo_folder: Path) -> None:
    assert [user.name for user in preview(shop, 100).users] == ["ann", "bob"]
    shown = [user.name for user in preview(demo_folder, 4).users]
    assert len(set(shown)) == 4


def test_the_command(srl: Any, shop: Path) -> None:
    done = srl("data", "show", "shop", "--preview", 1)
    assert done.code == 0, done.err
    assert "ann, 13 rows" in done.out
    assert "bob" not in done.out
    assert "Tea �[2Jpot" in done.out
    assert "\x1b" not in done.out
    assert "many" in done.out
    told = json.loads(srl("data", "show", "shop", "--preview", "--json").out)
    assert told["name"] == "shop"
    assert [user["name"] for user in told["preview"]["users"]] == ["ann", "bob"]
    assert "preview" not in json.loads(srl("data", "show", "shop", "--json").out)
    done = srl("data", "show", "shop", 3)
    assert done.code == 2
    assert "srl data show shop --preview 3" in done.err
    assert srl("data", "show", "shop", "--preview", 0).code == 2
    assert srl("data", "show", "nothing", "--preview").code == 2


def test_data_without_times_or_ratings(srl: Any, workspace: Path) -> None:
    Path("order.csv").write_text("user,item,pos\n" + "".join(f"u{i % 3},i{i % 4},{i}\n" for i in range(30)))
    assert srl("data", "prepare", "order.csv", "--order", "pos").code == 0
    done = srl("data", "show", "order", "--preview", 1)
    assert done.code == 0, done.err
    assert "1970" not in done.out
