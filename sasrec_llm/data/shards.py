"""What is done to the rows of some users, apart from all others: each step reads files and leaves a folder of files.

A step keeps nothing between two calls and is the same for whoever calls it, in whichever process; a folder is there
whole or not at all, and who makes it again makes the same. So a step that was lost with its process is done again.
"""

from __future__ import annotations

import contextlib
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sasrec_llm.data.database import connect, create_view, keep_on_disk, limit, script, set_variables, write_parquet
from sasrec_llm.data.own import OwnData
from sasrec_llm.data.rows import TOLD, hold
from sasrec_llm.data.whole import Whole
from sasrec_llm.durable import new_folder
from sasrec_llm.errors import StorageError

ALIKE = ", ".join(  # types that all shards have, whatever the narrowest are that would do
    f"{name}::{kind} AS {name}"
    for name, kind in (("user_key", "VARCHAR"), ("item_key", "VARCHAR"), ("seconds", "BIGINT"), ("line", "BIGINT"))
)


@dataclass(frozen=True, slots=True)
class Shard:
    """The rows of the users whose hash falls to it, in a folder that all who work on shards can reach."""

    place: Path
    own: OwnData
    threads: int  # of DuckDB


Step = Callable[[Shard], Any]
Each = Callable[[Step, Sequence[Shard]], list[Any]]  # one call for each shard, in whatever way


def in_turn(step: Step, shards: Sequence[Shard]) -> list[Any]:
    return [step(shard) for shard in shards]


def check(shard: Shard) -> tuple[int, int]:
    """`rows`, and the rejected ones: `bad`, or of another time. Returns how many were read, and how many merged."""
    with _opened(shard) as connection, new_folder(shard.place / "checked") as draft:
        create_view(connection, "raw_interactions", shard.place / "*.parquet")
        connection.execute("CREATE TABLE raw_items (line BIGINT, item VARCHAR)")
        rows = Whole(connection, shard.own)
        found = rows.check()
        write_parquet(connection, "FROM rejected", draft / "bad.parquet")
        connection.execute("DELETE FROM rejected")
        rows.select_period()
        write_parquet(connection, f"SELECT * REPLACE ({ALIKE}) FROM good", draft / "rows.parquet")
        create_view(connection, "good", draft / "rows.parquet")
        connection.execute(script("count"))
        _write(connection, draft, "rejected", "user_counts", "item_counts")
    return found


def place(shard: Shard, left: Path) -> None:
    """Where users and items first appear, of those that have not `left`."""
    with _again(shard, left) as connection, new_folder(shard.place / "placed") as draft:
        connection.execute(script("first_seen"))
        _write(connection, draft, "user_places", "item_places")


def leave(shard: Shard, left: Path, now: int, reasons: tuple[str, str]) -> None:
    """The rows of the users and items that left in round `now`."""
    with _again(shard, left) as connection, new_folder(shard.place / f"round-{now}") as draft:
        set_variables(connection, {"round": now, "user_reason": reasons[0], "item_reason": reasons[1]})
        connection.execute(script("leave"))
        _write(connection, draft, "rejected", "user_losses", "item_losses")


def order(shard: Shard, numbers: Path) -> None:
    """The rows that stay, with the `numbers` of their users and items, in order."""
    with _opened(shard) as connection, new_folder(shard.place / "ordered") as draft:
        create_view(connection, "good", shard.place / "checked" / "rows.parquet")
        create_view(connection, "all_users", numbers / "users.parquet")
        connection.execute("CREATE TABLE users AS FROM all_users SEMI JOIN good USING (user_key)")
        create_view(connection, "items", numbers / "items.parquet")
        Whole(connection, shard.own).order()
        write_parquet(connection, "FROM ordered", draft / "rows.parquet")


@contextlib.contextmanager
def _opened(shard: Shard) -> Iterator[Any]:
    if not shard.place.is_dir():
        where = f"{platform.node()} sees no {shard.place}"
        raise StorageError(where, hint="Give a folder that all machines share: export SRL_DATA=FOLDER")
    with tempfile.TemporaryDirectory(dir=shard.place) as spill, connect(Path(spill)) as connection:
        limit(connection, shard.threads, shard.own.memory)
        keep_on_disk(connection)
        set_variables(connection, {"clock": shard.own.clock})
        hold(connection, list(TOLD))
        connection.execute(f"SET VARIABLE like_at = {shard.own.like_at!r}::DOUBLE")
        connection.execute("CREATE TABLE rejected (file VARCHAR, line BIGINT, reason VARCHAR, text VARCHAR)")
        yield connection


@contextlib.contextmanager
def _again(shard: Shard, left: Path) -> Iterator[Any]:
    """With the rows as they were checked, and who left so far, in which round."""
    with _opened(shard) as connection:
        create_view(connection, "good", shard.place / "checked" / "rows.parquet")
        for role in ("user", "item"):
            create_view(connection, f"{role}_counts", left / f"{role}_counts.parquet")
        yield connection


def _write(connection: Any, folder: Path, *tables: str) -> None:
    for table in tables:
        write_parquet(connection, f"FROM {table}", folder / f"{table}.parquet")
