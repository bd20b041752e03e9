"""The promises of a source."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sasrec_llm.components import Source, resolve
from sasrec_llm.data.database import connect
from sasrec_llm.data.own import OwnData
from sasrec_llm.data.prepare import prepare
from sasrec_llm.testing.promises import chosen, promise, promised

NEEDED = {"raw_interactions": {"user", "item", "timestamp"}, "raw_items": {"line", "item"}}
KNOWN = {
    "raw_interactions": {"line", "rating", "label", "split", *NEEDED["raw_interactions"]},
    "raw_items": {"title", "brand", "category", "description", *NEEDED["raw_items"]},
}


def check_source(source: Source, settings: Mapping[str, Any] | None = None) -> None:
    """What every source promises: both raw tables with the columns they must have and no others, and a dataset that can
    be prepared, twice with the same bytes. `settings` are the options of `srl data prepare` it is to be read with,
    `from` among them: the folder or file that holds its raw files."""
    with promised("source", source.name):
        options = dict(settings or {})
        given = options.pop("from", None)
        own = chosen(OwnData, options)
        promise(source.licence, "a source says under which licence its data is")
        promise(given or source.generated, 'name its raw files: {"from": PATH}')
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch)
            if not given or Path(given).suffix != ".zip":
                (place / "empty").mkdir()
                _check_tables(source, Path(given) if given else place / "empty", own)
            cards = [
                prepare(source, given=given and Path(given), folder=place / name, cache=place / "cache", own=own)
                for name in ("once", "twice")
            ]
            promise(cards[0].sha256 == cards[1].sha256, "same input, same bytes: has a query no order?")


def _check_tables(source: Source, path: Path, own: OwnData) -> None:
    with connect() as connection:
        connection.execute("CREATE TABLE rejected (file VARCHAR, line BIGINT, reason VARCHAR, text VARCHAR)")
        resolve(source.read)(connection, path, own)
        for table, needed in NEEDED.items():
            found = {row[0]: row[1] for row in connection.execute(f"DESCRIBE {table}").fetchall()}
            lacking, unknown = needed - found.keys(), found.keys() - KNOWN[table]
            promise(not lacking, f"{table} has no column {', '.join(sorted(lacking))}")
            promise(not unknown, f"{table} has a column {', '.join(sorted(unknown))}, which nothing reads")
            other = [f"{name} ({kind})" for name, kind in found.items() if name != "line" and kind != "VARCHAR"]
            promise(not other, f"columns of {table} must be text: {', '.join(other)}")
