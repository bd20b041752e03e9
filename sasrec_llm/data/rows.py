"""Raw rows to checked rows, in one pass; rows that say the same merged; rows that a person leaves out on purpose.

No row is ever deleted, so that the place of a row in `checked` is its line where a reader gives none. Which rows left is
known from the rounds in which users and items left.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from sasrec_llm.data.database import number, script
from sasrec_llm.data.own import OwnData
from sasrec_llm.data.readers import keep_rejects
from sasrec_llm.errors import DataError
from sasrec_llm.recipe_data import TEXT_FIELDS

LOOKED_AT = 10_000  # rows, to guess what kind of keys a file has
WHOLE = "CASE WHEN try_cast(key AS {kind})::VARCHAR = key THEN try_cast(key AS {kind}) END"  # 7, but neither 07 nor 7.0
KEYS = {
    "INTEGER": WHOLE.format(kind="INTEGER"),
    "BIGINT": WHOLE.format(kind="BIGINT"),
    "VARCHAR": "nullif(trim(key), '')",
}


def read_rows(connection: Any, own: OwnData) -> None:
    """What a source left in `raw_interactions` to `numbered`: every row with its line, and a reason where it is bad."""
    complete(connection, own)
    kinds = {role: _kind(connection, role) for role in ("user", "item")}
    while True:
        for role, kind in kinds.items():
            connection.execute(f"CREATE OR REPLACE MACRO {role}_key(key) AS {KEYS[kind]}")
        connection.execute(script("check"))
        misfits = connection.execute("SELECT DISTINCT reason FROM checked WHERE reason LIKE 'misfit %'").fetchall()
        if not misfits:
            break
        kinds |= {reason.split()[1]: "VARCHAR" for (reason,) in misfits}
    keep_rejects(connection, "interactions")
    has_line = "line" in _columns(connection, "checked")
    connection.execute(f"CREATE VIEW numbered AS SELECT *{'' if has_line else ', rowid + 1 AS line'} FROM checked")


def complete(connection: Any, own: OwnData) -> None:
    """Columns that a format does not have, and what `sql/check.sql` must know of the others."""
    known = _columns(connection, "raw_interactions")
    columns = ['"user"', "item", '"timestamp"', *(["line"] if "line" in known else [])]
    columns += [name if name in known else f"NULL::VARCHAR AS {name}" for name in ("rating", "label", "split")]
    connection.execute(f"CREATE VIEW raw AS SELECT {', '.join(columns)} FROM raw_interactions")
    connection.execute(f"SET VARIABLE has_rating = {str('rating' in known).lower()}")
    connection.execute(f"SET VARIABLE clock = '{'position' if own.order else 'time'}'")
    known = _columns(connection, "raw_items")
    for name in TEXT_FIELDS:
        if name not in known:
            connection.execute(f"ALTER TABLE raw_items ADD COLUMN {name} VARCHAR")


def narrow(connection: Any, own: OwnData) -> None:
    """What a person leaves out on purpose: other times, then the k-core, then late users and items."""
    if own.since or own.until:
        if own.order:
            raise DataError(
                "--since and --until need times; these rows have positions", hint="Name the time: --time NAME"
            )
        for name, day in (("since", own.since), ("until", own.until)):
            seconds = (day - date(1970, 1, 1)).days * 86_400 if day else "NULL"
            connection.execute(f"SET VARIABLE {name} = {seconds}")
        connection.execute(script("period"))
    connection.execute(script("count"))
    connection.execute(f"SET VARIABLE round = 0; SET VARIABLE min_user = {own.min_user}")
    connection.execute(f"SET VARIABLE min_item = {own.min_item}")
    while _leave(connection, "k_core") and not own.once:
        pass
    if own.max_id:
        connection.execute(f"SET VARIABLE max_id = {own.max_id}")
        _leave(connection, "max_id")


def _leave(connection: Any, choice: str) -> int:
    """One round: who leaves is chosen, and their rows are rejected; returns how many users and items left."""
    connection.execute("SET VARIABLE round = getvariable('round') + 1")
    connection.execute(script(choice))
    leaving = sum(
        number(connection, f"SELECT count(*) FROM {role}_counts WHERE round = getvariable('round')")
        for role in ("user", "item")
    )
    if leaving:
        connection.execute(script("leave"))
    return leaving


def _kind(connection: Any, role: str) -> str:
    """The narrowest type that holds the first keys as they are written."""
    (kind,) = connection.execute(
        f"""SELECT CASE
            WHEN bool_and(coalesce(try_cast(key AS INTEGER)::VARCHAR = key, false)) THEN 'INTEGER'
            WHEN bool_and(coalesce(try_cast(key AS BIGINT)::VARCHAR = key, false)) THEN 'BIGINT'
            ELSE 'VARCHAR'
        END FROM (SELECT "{role}" AS key FROM raw LIMIT {LOOKED_AT}) WHERE trim(key) <> ''"""
    ).fetchone()
    return str(kind)


def _columns(connection: Any, table: str) -> set[str]:
    return {row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()}
