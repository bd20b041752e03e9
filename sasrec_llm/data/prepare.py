"""Raw files to a prepared dataset: Parquet and a card, whole or not at all, the same bytes for the same input."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from sasrec_llm.components import Source, resolve
from sasrec_llm.data.card import Card, write_card
from sasrec_llm.data.database import connect, script, write_parquet
from sasrec_llm.data.fetch import locate
from sasrec_llm.data.own import OwnData
from sasrec_llm.durable import digest, new_folder, sha256
from sasrec_llm.errors import DataError

TABLES = {
    "interactions": 'SELECT * FROM interactions ORDER BY "user", "timestamp", line',
    "items": "SELECT item, original, title FROM items ORDER BY item",
    "users": 'SELECT * FROM users ORDER BY "user"',
    "rejects": "SELECT * FROM rejected ORDER BY file, line",
}
PROTOCOLS = ("temporal", "collm")


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
        path = locate(source, given, cache, unpacked)
        with connect(spill) as connection, new_folder(folder) as draft:
            if threads:
                connection.execute(f"SET threads = {threads}")
            connection.execute("CREATE TABLE rejected (file VARCHAR, line BIGINT, reason VARCHAR, text VARCHAR)")
            resolve(source.read)(connection, path, own)
            counts = clean(connection, source, own)
            for name, query in TABLES.items():
                write_parquet(connection, query, draft / f"{name}.parquet")
            card = describe(connection, source, own, counts, folder.name, draft)
            write_card(draft, card)
    return card


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
    if own.min_user or own.min_item:
        connection.execute(f"SET VARIABLE min_user = {own.min_user}; SET VARIABLE min_item = {own.min_item}")
        while True:
            connection.execute(script("k_core"))
            if not _number(connection, "SELECT getvariable('left_over')"):
                break
    connection.execute(script("number"))
    kept = _number(connection, "SELECT count(*) FROM interactions")
    if kept == 0:
        raise DataError(f"{source.name}: no row is left of {read:,}", hint="Lower --min-user and --min-item")
    counts = {
        "read": read,
        "kept": kept,
        "merged": _number(connection, "SELECT getvariable('merged')"),
        "quarantined": _number(connection, "SELECT count(*) FROM rejected WHERE file = 'interactions'"),
    }
    if counts["read"] != counts["kept"] + counts["merged"] + counts["quarantined"]:
        raise AssertionError(f"rows were lost: {counts}")
    return counts


def describe(connection: Any, source: Source, own: OwnData, counts: dict[str, int], name: str, folder: Path) -> Card:
    cursor = connection.execute(script("facts"))
    facts = dict(zip([found[0] for found in cursor.description], cursor.fetchone(), strict=True))
    reasons = connection.execute(
        "SELECT reason, count(*) FROM rejected WHERE file = 'interactions' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    protocols = {}
    for protocol in PROTOCOLS:
        parts = dict(
            connection.execute(
                f"SELECT part, count(*) FROM ({script('protocol_' + protocol)}) WHERE part IS NOT NULL GROUP BY 1"
            ).fetchall()
        )
        if len(parts) == 3:
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
        quarantine=dict(reasons),
        protocols=protocols,
        hashes=hashes,
        sha256=digest(hashes),
        **counts,
        **{key: facts[key] for key in facts if key != "kept"},
    )


def _number(connection: Any, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])
