"""All rows in one connection: checked, narrowed to what a person wants, put in order."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

from sasrec_llm.data.database import GROUP, create_view, number, quoted, script, set_variables, spill_folder
from sasrec_llm.data.own import OwnData
from sasrec_llm.data.rows import merge, read_rows, untold
from sasrec_llm.errors import DataError

SORTED = 16 * GROUP  # rows that are sorted at a time: a sort that does not fit into memory may fail
ORDER = "user", "seconds", "line"
NOBODY = 2**31 - 1  # a user behind all others
PASSES = 16  # over all rows, at most; more rows are first cut by user into so many files:
FILES = 64


class Whole:
    """`check`, then `narrow`, then, when users and items have their numbers, `order`."""

    def __init__(self, connection: Any, own: OwnData) -> None:
        self.connection, self.own = connection, own

    def check(self) -> tuple[int, int]:
        """Rows that were read, and those of them that say the same as another."""
        read_rows(self.connection, self.own)
        read = number(self.connection, "SELECT count(*) FROM checked")
        read += number(self.connection, "SELECT count(*) FROM rejected WHERE file = 'interactions'")
        return read, merge(self.connection)

    def narrow(self) -> None:
        """What a person leaves out on purpose: other times, then the k-core, then late users and items.

        Which rows left is known from the rounds in which users and items left.
        """
        own = self.own
        self.select_period()
        self._count()
        set_variables(self.connection, {"round": 0, "min_user": own.min_user, "min_item": own.min_item})
        while self._leave("k_core") and not own.once:
            pass
        if own.max_id:
            set_variables(self.connection, {"max_id": own.max_id})
            self._place()
            self._leave("max_id")

    def order(self) -> None:
        """Fill `interactions`."""
        self.connection.execute(script("placed"))
        if number(self.connection, "SELECT coalesce(sum(n), 0) FROM users") > PASSES * SORTED:
            place = spill_folder(self.connection) / "cut"
            set_variables(self.connection, {"files": FILES})
            self.connection.execute(
                f"COPY ({script('cut')}) TO '{quoted(str(place))}' (FORMAT parquet, PARTITION_BY file)"
            )
            self._let_go()
            create_view(self.connection, "placed", place / "*" / "*.parquet")
        self.sort()

    def sort(self) -> None:
        """`placed` to `interactions`, as many rows at a time as fill row groups, since of a table that has others the
        Parquet's would depend on how threads take turns."""
        connection = self.connection
        connection.execute(script("ordered"))
        connection.execute(
            'CREATE VIEW interactions AS SELECT "user", item, rating, label, seconds::BIGINT AS "timestamp", split, '
            f"line::BIGINT AS line FROM (SELECT *{untold(connection, 'ordered')} FROM ordered)"
        )
        set_variables(connection, {"sorted": SORTED})
        starts = connection.execute(script("starts")).fetchall()
        for first, last in itertools.pairwise([*starts, (NOBODY, 0, 0)]):
            for name, row in (("first", first), ("last", last)):
                set_variables(connection, {f"{name}_{by}": value for by, value in zip(ORDER, row, strict=True)})
            connection.execute(script("order"))
        self._let_go()

    def _let_go(self) -> None:
        """Of the rows in the order of the file, and of what looks at them."""
        for view in ("placed", "good", "single", "hashed", "numbered"):
            self.connection.execute(f"DROP VIEW IF EXISTS {view}")
        self.connection.execute("DROP TABLE IF EXISTS checked")

    def select_period(self) -> None:
        own = self.own
        if not (own.since or own.until):
            return
        if own.order:
            raise DataError(
                "--since and --until need times; these rows have positions", hint="Name the time: --time NAME"
            )
        for name, day in (("since", own.since), ("until", own.until)):
            seconds = (day - date(1970, 1, 1)).days * 86_400 if day else "NULL"
            self.connection.execute(f"SET VARIABLE {name} = {seconds}")
        self.connection.execute(script("period"))

    def _leave(self, choice: str) -> int:
        """One round: who leaves is chosen, and their rows are rejected; returns how many users and items left."""
        self.connection.execute("SET VARIABLE round = getvariable('round') + 1")
        self.connection.execute(script(choice))
        leaving = sum(
            number(self.connection, f"SELECT count(*) FROM {role}_counts WHERE round = getvariable('round')")
            for role in ("user", "item")
        )
        if leaving:
            self._reject()
            self.connection.execute(script("recount"))
        return leaving

    def _count(self) -> None:
        self.connection.execute(script("count"))

    def _place(self) -> None:
        self.connection.execute(script("first_seen"))

    def _reject(self) -> None:
        """Of the users and items that left in this round."""
        self.connection.execute(script("leave"))
