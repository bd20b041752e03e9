"""Reviews of games on Steam, as released by the McAuley lab. They carry no rating: who reviews, plays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sasrec_llm.components import Plan
from sasrec_llm.data.amazon import joined
from sasrec_llm.data.lines import read_lines
from sasrec_llm.data.own import OwnData
from sasrec_llm.errors import DataError

HOME = "https://cseweb.ucsd.edu/~wckang"
REVIEWS, GAMES = "steam_reviews.json", "steam_games.json"


def plan(_: OwnData, given: Path | None) -> Plan:
    return Plan("steam", () if given else tuple(f"{HOME}/{name}.gz" for name in (REVIEWS, GAMES)))


def read(connection: Any, folder: Path, _: OwnData | None) -> None:
    """A person is known by `username`; dates are days, so ties keep the order of the file."""
    read_lines(
        connection,
        "steam_interactions",
        _find(folder, REVIEWS),
        dict.fromkeys(("username", "product_id", "date"), "VARCHAR"),
    )
    connection.execute(
        'CREATE TABLE raw_interactions AS SELECT line, username AS "user", product_id AS item, date AS "timestamp" '
        "FROM steam_interactions"
    )
    texts = dict.fromkeys(("id", "app_name", "title", "developer"), "VARCHAR")
    read_lines(connection, "steam_items", _find(folder, GAMES), texts | dict.fromkeys(("genres", "tags"), "JSON"))
    connection.execute(
        f"""CREATE TABLE raw_items AS SELECT line, id AS item, coalesce(app_name, title) AS title, developer AS brand,
            coalesce({joined("genres", ", ")}, {joined("tags", ", ")}) AS category
        FROM steam_items"""
    )
    connection.execute("DROP TABLE steam_interactions; DROP TABLE steam_items")


def _find(folder: Path, name: str) -> Path:
    """The file, plain or gzipped, in the folder or in one folder below it."""
    folder = folder.parent if folder.is_file() else folder
    names = (name, f"{name}.gz")
    found = [path for path in sorted([*folder.iterdir(), *folder.glob("*/*")]) if path.name in names]
    if not found:
        raise DataError(f"{folder} holds no {name}.gz", hint="Give the folder with both files: --from FOLDER")
    return found[0]
