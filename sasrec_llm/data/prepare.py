"""Raw files to a prepared dataset: Parquet and a card, whole or not at all, the same bytes for the same input."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from sasrec_llm.components import Source, resolve
from sasrec_llm.data.card import TIMED, Card, write_card
from sasrec_llm.data.database import connect, script, set_variables, split_of, write_parquet
from sasrec_llm.data.fetch import locate
from sasrec_llm.data.own import OwnData
from sasrec_llm.data.texts import clean_items
from sasrec_llm.durable import digest, new_folder, sha256
from sasrec_llm.errors import DataError
from sasrec_llm.protocols import FOLDS, TASKS
from sasrec_llm.recipe_data import TEXT_FIELDS

TABLES = {
    "interactions": 'SELECT * FROM interactions ORDER BY "user", "timestamp", line',
    "items": "SELECT item, original, coalesce(title, original) AS title, brand, category, description "
    "FROM items ORDER BY item",
    "users": 'SELECT * FROM users ORDER BY "user"',
    "rejects": "SELECT * FROM rejected ORDER BY file, line",
}
OPTIONAL = {"raw_interactions": ("rating", "label", "split"), "raw_items": TEXT_FIELDS}


def prepare(
    source: Source,
    *,
    given: Path | None,
    folder: Path,
    cache: Path,
    own: OwnData | None = None,
    threads: int | None = None,
) -> Card:
    """Read `source` (from `given`, or downloaded) and publish it as `folder`."""
    own = own or OwnData()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".tmp-prepare-") as scratch:
        spill, unpacked = Path(scratch, "spill"), Path(scratch, "unpacked")
        unpacked.mkdir()
        found = locate(source, given, cache, unpacked, own)
        with connect(spill) as connection, new_folder(folder) as draft:
            if threads:
                connection.execute(f"SET threads = {threads}")
            connection.execute("CREATE TABLE rejected (file VARCHAR, line BIGINT, reason VARCHAR, text VARCHAR)")
            resolve(source.read)(connection, found.path, own)
            complete(connection, own)
            counts = clean(connection, source, own)
            for name, query in TABLES.items():
                write_parquet(connection, query, draft / f"{name}.parquet")
            card = describe(connection, source, own, counts, folder.name, draft)
            card = card.model_copy(update={"downloads": found.downloads})
            write_card(draft, card)
    return card


def complete(connection: Any, own: OwnData) -> None:
    """Columns that a format does not have, and what `sql/check.sql` must know of the others."""
    for table, wanted in OPTIONAL.items():
        known = {row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()}
        if table == "raw_interactions":
            connection.execute(f"SET VARIABLE has_rating = {str('rating' in known).lower()}")
        for name in wanted:
            if name not in known:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} VARCHAR")
    connection.execute(f"SET VARIABLE clock = '{'position' if own.order else 'time'}'")


def clean(connection: Any, source: Source, own: OwnData) -> dict[str, int]:
    """Check, merge, filter, number. What was read is what was kept, merged and quarantined."""
    like_at = own.like_at if own.like_at is not None else source.like_at
    connection.execute(f"SET VARIABLE like_at = {like_at!r}::DOUBLE")
    read = _number(connection, "SELECT count(*) FROM raw_interactions")
    read += _number(connection, "SELECT count(*) FROM rejected WHERE file = 'interactions'")
    connection.execute(script("check"))
    bad = _number(connection, "SELECT count(*) FROM rejected WHERE file = 'interactions'")
    if read == 0:
        raise DataError(f"{source.name}: there is not one row to read")
    if bad > own.max_bad * read:
        reasons = connection.execute(
            "SELECT reason, count(*) AS n, min(line) FROM rejected WHERE file = 'interactions' "
            "GROUP BY 1 ORDER BY n DESC, 1"
        ).fetchall()
        listed = "; ".join(f"{reason}: {n:,} (first in line {line:,})" for reason, n, line in reasons[:4])
        raise DataError(
            f"{source.name}: {bad:,} of {read:,} rows cannot be used: {listed}",
            hint="Name the right columns (--user, --item, --time, --rating), or accept it with --max-bad 1",
        )
    narrow(connection, own)
    connection.execute(script("number"))
    clean_items(connection)
    kept = _number(connection, "SELECT count(*) FROM interactions")
    if kept == 0:
        hint = "Ask for less: --min-user, --min-item, --since, --until"
        raise DataError(f"{source.name}: no row is left of {read:,}", hint=hint)
    counts = {
        "read": read,
        "kept": kept,
        "merged": _number(connection, "SELECT getvariable('merged')"),
        "quarantined": _number(connection, "SELECT count(*) FROM rejected WHERE file = 'interactions'"),
    }
    if counts["read"] != counts["kept"] + counts["merged"] + counts["quarantined"]:
        raise AssertionError(f"rows were lost: {counts}")
    return counts


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
    if own.min_user or own.min_item:
        connection.execute(f"SET VARIABLE min_user = {own.min_user}; SET VARIABLE min_item = {own.min_item}")
        while True:
            connection.execute(script("k_core"))
            if own.once or not _number(connection, "SELECT getvariable('left_over')"):
                break
    if own.max_id:
        connection.execute(f"SET VARIABLE max_id = {own.max_id}")
        connection.execute(script("max_id"))


def describe(connection: Any, source: Source, own: OwnData, counts: dict[str, int], name: str, folder: Path) -> Card:
    cursor = connection.execute(script("facts"))
    facts = dict(zip([found[0] for found in cursor.description], cursor.fetchone(), strict=True))
    reasons = connection.execute(
        "SELECT reason, count(*) FROM rejected WHERE file = 'interactions' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    protocols = {}
    set_variables(connection, {"folds": FOLDS, "fold": 1})
    for protocol, tasks in TASKS.items():
        if own.order and protocol in TIMED:
            continue
        set_variables(connection, {"task": tasks[0] if facts["liked_share"] < 1 else tasks[-1]})
        parts = dict(
            connection.execute(
                f"SELECT part, count(*) FROM ({split_of(protocol)}) WHERE part IS NOT NULL GROUP BY 1"
            ).fetchall()
        )
        if {0, 1, 2} <= parts.keys():
            protocols[protocol] = [parts[0], parts[1], parts[2]]
    hashes = {name: sha256(folder / f"{name}.parquet") for name in TABLES}
    return Card(
        name=name,
        source=source.name,
        summary=source.summary,
        licence=source.licence,
        like_at=own.like_at if own.like_at is not None else source.like_at,
        rated=bool(connection.execute("SELECT getvariable('has_rating')").fetchone()[0]),
        history=source.history,
        min_user=own.min_user,
        min_item=own.min_item,
        once=own.once,
        since=own.since,
        until=own.until,
        max_id=own.max_id,
        timed=own.order is None,
        quarantine=dict(reasons),
        protocols=protocols,
        hashes=hashes,
        sha256=digest(hashes),
        **counts,
        described={name: facts.pop(name) for name in TEXT_FIELDS},
        **{key: facts[key] for key in facts if key != "kept"},
    )


def _number(connection: Any, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])
