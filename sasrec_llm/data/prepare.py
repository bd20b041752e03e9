"""Raw files to a prepared dataset: Parquet and a card, whole or not at all, the same bytes for the same input."""

from __future__ import annotations

import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sasrec_llm.components import Source, resolve
from sasrec_llm.data.card import Card, write_card
from sasrec_llm.data.costs import Costs, measured, peak_mb, size_of, write_costs
from sasrec_llm.data.database import connect, in_bytes, keep_on_disk, limit, number, script, write_parquet
from sasrec_llm.data.fetch import locate
from sasrec_llm.data.own import OwnData
from sasrec_llm.data.parts import protocol_rows
from sasrec_llm.data.sharded import Sharded
from sasrec_llm.data.shards import Each, in_turn
from sasrec_llm.data.texts import clean_items
from sasrec_llm.data.whole import Whole
from sasrec_llm.durable import DRAFT, digest, new_folder, sha256
from sasrec_llm.errors import DataError
from sasrec_llm.locks import locked
from sasrec_llm.recipe.data import TEXT_FIELDS

TABLES = {
    "interactions": "SELECT * FROM interactions",  # filled in its order
    "items": "SELECT item, original, coalesce(title, original) AS title, brand, category, description "
    "FROM items ORDER BY item",
    "users": 'SELECT "user", original FROM users ORDER BY "user"',
    "rejects": "SELECT * FROM rejected ORDER BY file, line, rowid",
}


def prepare(
    source: Source,
    *,
    given: Path | None,
    folder: Path,
    cache: Path,
    own: OwnData | None = None,
    threads: int | None = None,
    shards: int | None = None,
    each: Each = in_turn,
) -> Card:
    """Read `source` (from `given`, or downloaded) and publish it as `folder`.

    With `shards`, users are put into so many, `each` has the work on one done, in whatever process, and the bytes are
    the same; then the folder that `folder` is in must be one that all of them can reach.
    """
    own = own or OwnData()
    if own.like_at is None:
        own = own.model_copy(update={"like_at": source.like_at})
    with (
        locked(folder),
        tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{DRAFT}{folder.name}~") as scratch,
        measured(Path(scratch)) as so_far,
    ):
        spill, unpacked = Path(scratch, "spill"), Path(scratch, "unpacked")
        unpacked.mkdir()
        found = locate(source, given, cache, unpacked, own)
        hashes: dict[str, str] = {}
        with connect(spill) as connection, new_folder(folder, hashes) as draft:
            threads, memory = limit(connection, threads, own.memory)
            if size_of(found.path) > in_bytes(memory):
                keep_on_disk(connection)
            connection.execute("CREATE TABLE rejected (file VARCHAR, line BIGINT, reason VARCHAR, text VARCHAR)")
            resolve(source.read)(connection, found.path, own)
            connection.execute(f"SET VARIABLE like_at = {own.like_at!r}::DOUBLE")
            rows = Whole(connection, own)
            if shards:
                rows = Sharded(connection, own, Path(scratch, "shards").resolve(), shards, each, threads)
            counts = clean(connection, source, own, rows)
            for name, query in TABLES.items():
                write_parquet(connection, query, draft / f"{name}.parquet")
            with ThreadPoolExecutor(1) as beside:
                card = describe(connection, source, own, counts, folder.name, beside.submit(hashes_of, draft))
            hashes |= {f"{name}.parquet": value for name, value in card.hashes.items()}
            card = card.model_copy(update={"downloads": found.downloads})
            write_card(draft, card)
        seconds, scratch_mb = so_far()
        write_costs(folder, Costs(
            seconds=seconds, rows=card.read, peak_mb=peak_mb(), scratch_mb=scratch_mb, threads=threads, memory=memory
        ))  # fmt: skip
    return card


def clean(connection: Any, source: Source, own: OwnData, rows: Whole) -> dict[str, int]:
    """Check, merge, filter, number. What was read is what was kept, merged and quarantined."""
    read, merged = rows.check()
    if read == 0:
        raise DataError(f"{source.name}: there is not one row to read")
    refuse_bad(connection, source, own, read)
    rows.narrow()
    connection.execute(script("number"))
    clean_items(connection)
    rows.order()
    kept = number(connection, "SELECT count(*) FROM interactions")
    if kept == 0:
        hint = "Ask for less: --min-user, --min-item, --since, --until"
        raise DataError(f"{source.name}: no row is left of {read:,}", hint=hint)
    counts = {
        "read": read,
        "kept": kept,
        "merged": merged,
        "quarantined": number(connection, "SELECT count(*) FROM rejected WHERE file = 'interactions'"),
    }
    if counts["read"] != counts["kept"] + counts["merged"] + counts["quarantined"]:
        raise AssertionError(f"rows were lost: {counts}")
    return counts


def refuse_bad(connection: Any, source: Source, own: OwnData, read: int) -> None:
    bad = number(connection, "SELECT count(*) FROM rejected WHERE file = 'interactions'")
    if bad <= own.max_bad * read:
        return
    reasons = connection.execute(
        "SELECT reason, count(*) AS n, min(line) FROM rejected WHERE file = 'interactions' "
        "GROUP BY 1 ORDER BY n DESC, 1"
    ).fetchall()
    listed = "; ".join(f"{reason}: {n:,} (first in line {line:,})" for reason, n, line in reasons[:4])
    raise DataError(
        f"{source.name}: {bad:,} of {read:,} rows cannot be used: {listed}",
        hint="Name the right columns (--user, --item, --time, --rating), or accept it with --max-bad 1",
    )


def hashes_of(folder: Path) -> dict[str, str]:
    return {name: sha256(folder / f"{name}.parquet") for name in TABLES}


def describe(
    connection: Any, source: Source, own: OwnData, counts: dict[str, int], name: str, hashing: Future[dict[str, str]]
) -> Card:
    connection.execute(script("sums"))
    cursor = connection.execute(script("facts"))
    facts = dict(zip([found[0] for found in cursor.description], cursor.fetchone(), strict=True))
    reasons = connection.execute(
        "SELECT reason, count(*) FROM rejected WHERE file = 'interactions' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    protocols = protocol_rows(connection, liked=facts["liked_share"], timed=own.order is None)
    return Card(
        name=name,
        source=source.name,
        summary=source.summary,
        licence=source.licence,
        like_at=own.like_at,
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
        hashes=hashing.result(),
        sha256=digest(hashing.result()),
        **counts,
        described={name: facts.pop(name) for name in TEXT_FIELDS},
        **{key: facts[key] for key in facts if key != "kept"},
    )
