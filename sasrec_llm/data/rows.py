"""Raw rows to checked rows, in one pass; rows that say the same merged.

No row is ever deleted, so that the place of a row in `checked` is its line where a reader gives none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sasrec_llm.data.database import number, script, set_variables
from sasrec_llm.data.own import OwnData
from sasrec_llm.data.readers import keep_rejects
from sasrec_llm.recipe.data import TEXT_FIELDS

HASHES = 2**25  # that are held at a time, 128 MB
LOOKED_AT = 10_000  # rows, to guess what kind of keys a file has
WHOLE = "CASE WHEN try_cast(x AS {kind})::VARCHAR = x THEN try_cast(x AS {kind}) END"  # 7, but neither 07 nor 7.0
KEPT = {  # a key as it is written; seconds
    "INTEGER": WHOLE.format(kind="INTEGER"),
    "BIGINT": WHOLE.format(kind="BIGINT"),
    "VARCHAR": "nullif(trim(x), '')",
    "32 bits": "try_cast(x AS UINTEGER)",
    "64 bits": "try_cast(x AS BIGINT)",
}
NARROW = ["rating", "seconds"]
TOLD = {"label": "liked(rating)", "split": "NULL::TINYINT"}  # held in memory only if the source tells it
WIDEST = {"user": "VARCHAR", "item": "VARCHAR", "time": "64 bits"}


def read_rows(connection: Any, own: OwnData) -> None:
    """What a source left in `raw_interactions` to `numbered`: every row that is not bad, with its line."""
    complete(connection, own)
    kinds, misfits = {**_keys(connection), "time": "32 bits"}, {""}
    while misfits:
        for role, kind in kinds.items():
            connection.execute(f"CREATE OR REPLACE MACRO kept_{role}(x) AS {KEPT[kind]}")
        connection.execute(script("check"))
        misfits = _misfits(connection)
        kinds |= {role: WIDEST[role] for role in misfits}
    keep_rejects(connection, "interactions")
    line = "line" if _has_line(connection) else "rowid + 1"
    kind = "UINTEGER" if number(connection, f"SELECT coalesce(max({line}), 0) FROM checked") < 2**32 else "BIGINT"
    rest = "* EXCLUDE (line)" if line == "line" else "*"
    connection.execute(
        f"CREATE VIEW numbered AS SELECT {rest}, ({line})::{kind} AS line{untold(connection, 'checked')} "
        "FROM checked WHERE user_key IS NOT NULL"
    )


def _misfits(connection: Any) -> set[str]:
    """What does not fit the kind that was thought of; fills `reasons` where there are bad rows."""
    connection.execute("CREATE OR REPLACE TABLE reasons (line BIGINT, reason VARCHAR, text VARCHAR)")
    if number(connection, "SELECT count(*) FROM checked WHERE user_key IS NULL"):
        line = "" if _has_line(connection) else ", row_number() OVER () AS line"
        connection.execute(f"INSERT INTO reasons SELECT line, reason, text FROM (SELECT *{line} FROM judged) WHERE bad")
    found = connection.execute("SELECT DISTINCT reason FROM reasons WHERE reason LIKE 'misfit %'").fetchall()
    late = number(connection, "SELECT count(*) FROM checked WHERE seconds IS NULL AND user_key IS NOT NULL")
    return {reason.split()[1] for (reason,) in found} | ({"time"} if late else set())


def _has_line(connection: Any) -> bool:
    return "line" in columns(connection, "checked")


def complete(connection: Any, own: OwnData) -> None:
    """Columns that a format does not have, and what `sql/check.sql` must know of the others."""
    known = columns(connection, "raw_interactions")
    chosen = ['"user"', "item", '"timestamp"', *(["line"] if "line" in known else [])]
    chosen += [name if name in known else f"NULL::VARCHAR AS {name}" for name in ("rating", "label", "split")]
    connection.execute(f"CREATE VIEW raw AS SELECT {', '.join(chosen)} FROM raw_interactions")
    connection.execute(f"SET VARIABLE has_rating = {str('rating' in known).lower()}")
    connection.execute(f"SET VARIABLE clock = '{own.clock}'")
    hold(connection, [name for name in TOLD if name in known], lines="line" in known)
    known = columns(connection, "raw_items")
    for name in TEXT_FIELDS:
        if name not in known:
            connection.execute(f"ALTER TABLE raw_items ADD COLUMN {name} VARCHAR")


def hold(connection: Any, told: list[str], *, lines: bool = False) -> None:
    """Name the columns that rows have while they are read, and those that they have in order."""
    connection.execute(
        "CREATE OR REPLACE MACRO liked(rating) AS CASE WHEN getvariable('has_rating') "
        "AND rating < getvariable('like_at')::FLOAT THEN 0::TINYINT ELSE 1::TINYINT END"
    )
    names = {
        "checked_columns": ["user_key", "item_key", *NARROW, *told, *(["line"] if lines else [])],
        "ordered_columns": ["user", "item", *NARROW, *told, "line"],
    }
    set_variables(connection, names)


def untold(connection: Any, table: str) -> str:
    """SQL of the columns that a table does not hold since the source did not tell them, behind a comma each."""
    known = columns(connection, table)
    return "".join(f", {value} AS {name}" for name, value in TOLD.items() if name not in known)


def merge(connection: Any) -> int:
    """Reject the bad rows and name the others: `single` are those that count, `good` those of the wanted period.

    Returns how many say the same as another.
    """
    connection.execute("INSERT INTO rejected SELECT 'interactions', * FROM reasons")
    _find_shared(connection)
    connection.execute(script("merge"))
    merged = number(connection, "SELECT count(*) FROM twins")
    others = "ANTI JOIN twins USING (line) " if merged else ""
    connection.execute(f"CREATE VIEW single AS FROM numbered {others}")
    connection.execute("CREATE VIEW good AS FROM single")
    return merged


def _find_shared(connection: Any) -> None:
    """`shared`: hashes of user, item and second that more than one row has. NumPy sorts numbers four times as fast."""
    connection.execute(
        "CREATE VIEW hashed AS SELECT line, user_key, item_key, seconds, "
        "(hash(user_key, item_key, seconds) >> 32)::UINTEGER AS hash FROM numbered"
    )
    connection.execute("CREATE TABLE shared (hash UINTEGER)")
    parts = 1 + number(connection, "SELECT count(*) FROM checked") // HASHES
    for part in range(parts):
        hashes = connection.execute(f"SELECT hash FROM hashed WHERE hash % {parts} = {part}").fetchnumpy()["hash"]
        hashes.sort()
        connection.register("found", {"hash": np.unique(hashes[1:][hashes[1:] == hashes[:-1]])})
        connection.execute("INSERT INTO shared FROM found")
        connection.unregister("found")


def _keys(connection: Any) -> dict[str, str]:
    """The narrowest types that hold the first keys as they are written."""
    written = "bool_and(coalesce(try_cast({0} AS {1})::VARCHAR = {0}, false)) FILTER (trim({0}) <> '')"
    fits = [written.format(role, kind) for role in ('"user"', "item") for kind in ("INTEGER", "BIGINT")]
    rows = f'SELECT "user", item FROM raw LIMIT {LOOKED_AT}'
    user, user_long, item, item_long = connection.execute(f"SELECT {', '.join(fits)} FROM ({rows})").fetchone()
    return {
        "user": "INTEGER" if user else "BIGINT" if user_long else "VARCHAR",
        "item": "INTEGER" if item else "BIGINT" if item_long else "VARCHAR",
    }


def columns(connection: Any, table: str) -> set[str]:
    return {row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()}
