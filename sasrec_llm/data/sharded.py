"""All rows, but each user's in one of several shards.

What concerns all of them is added up here: who leaves in a round of the k-core, who appears first, which number a user
or an item gets, and the order of the whole.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from sasrec_llm.data import shards
from sasrec_llm.data.database import number, quoted, write_parquet
from sasrec_llm.data.own import OwnData
from sasrec_llm.data.readers import keep_rejects
from sasrec_llm.data.rows import columns, complete
from sasrec_llm.data.shards import Each, Shard
from sasrec_llm.data.whole import Whole


class Sharded(Whole):
    """`place` is a folder that all who work on shards can reach; `each` has a step done for every shard."""

    def __init__(self, connection: Any, own: OwnData, place: Path, count: int, each: Each, threads: int) -> None:
        super().__init__(connection, own)
        self.place, self.each = place, each
        self.shards = [Shard(place / f"shard={index}", own, threads) for index in range(count)]

    def check(self) -> tuple[int, int]:
        complete(self.connection, self.own)
        self._cut()
        keep_rejects(self.connection, "interactions")
        lost = number(self.connection, "SELECT count(*) FROM rejected WHERE file = 'interactions'")
        found = self.each(shards.check, self.shards)
        for path in self.place.glob("*/*.parquet"):
            path.unlink()
        self.connection.execute(f"INSERT INTO rejected {self._all('checked/bad')}")
        return lost + sum(read for read, _ in found), sum(merged for _, merged in found)

    def _cut(self) -> None:
        """Rows as they were read, each with its line, to the shard of its user."""
        line = "" if "line" in columns(self.connection, "raw_interactions") else "row_number() OVER () AS line, "
        rows = f"SELECT {line}* FROM raw_interactions"
        sent = f'SELECT *, hash(trim("user")) % {len(self.shards)} AS shard FROM ({rows})'
        place = quoted(str(self.place))
        self.connection.execute(f"COPY ({sent}) TO '{place}' (FORMAT parquet, PARTITION_BY shard)")
        for each in self.shards:  # one that no row falls to has the columns, too
            each.place.mkdir(exist_ok=True)
            write_parquet(self.connection, f"{rows} LIMIT 0", each.place / "none.parquet")

    def select_period(self) -> None:
        self.connection.execute(f"INSERT INTO rejected {self._all('checked/rejected')}")

    def order(self) -> None:
        numbers = {"users": 'SELECT "user", user_key, n FROM users', "items": "SELECT item, item_key FROM items"}
        self.each(partial(shards.order, numbers=self._tell("numbers", numbers)), self.shards)
        self.connection.execute(f"CREATE VIEW placed AS {self._all('ordered/rows')}")
        self.sort()

    def _count(self) -> None:
        self._add("checked", "counts", "sum(n)::BIGINT AS n, NULL::INTEGER AS round")

    def _place(self) -> None:
        self.each(partial(shards.place, left=self._tell_left()), self.shards)
        self._add("placed", "places", "min(place) AS place")

    def _reject(self) -> None:
        query = "SELECT getvariable('round'), getvariable('user_reason'), getvariable('item_reason')"
        now, *reasons = self.connection.execute(query).fetchone()
        self.each(partial(shards.leave, left=self._tell_left(), now=now, reasons=tuple(reasons)), self.shards)
        self.connection.execute(f"INSERT INTO rejected {self._all(f'round-{now}/rejected')}")
        self._add(f"round-{now}", "losses", "sum(gone)::BIGINT AS gone")

    def _add(self, step: str, what: str, sums: str) -> None:
        """One table of users and one of items from those of all shards."""
        for role in ("user", "item"):
            found = self._all(f"{step}/{role}_{what}")
            query = f"SELECT {role}_key, {sums} FROM ({found}) GROUP BY {role}_key"
            self.connection.execute(f"CREATE TABLE {role}_{what} AS {query}")

    def _all(self, name: str) -> str:
        """What every shard has under this name."""
        files = ", ".join(f"'{quoted(str(shard.place / name))}.parquet'" for shard in self.shards)
        return f"FROM read_parquet([{files}], hive_partitioning = false)"

    def _tell_left(self) -> Path:
        known = "SELECT {0}_key, round FROM {0}_counts WHERE round IS NOT NULL"
        return self._tell("left", {f"{role}_counts": known.format(role) for role in ("user", "item")})

    def _tell(self, name: str, tables: dict[str, str]) -> Path:
        """Write for every shard what it is to know."""
        folder = self.place / name
        folder.mkdir(exist_ok=True)
        for table, query in tables.items():
            write_parquet(self.connection, query, folder / f"{table}.parquet")
        return folder
