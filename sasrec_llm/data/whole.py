"""All rows in one connection: checked, narrowed to what a person wants, put in order."""

from __future__ import annotations

from datetime import date
from typing import Any

from sasrec_llm.data.database import create_view, number, quoted, script, set_variables, spill_folder
from sasrec_llm.data.own import OwnData
from sasrec_llm.data.rows import merge, read_rows
from sasrec_llm.errors import DataError

SORTED = 2_000_000  # rows that are sorted at a time: a sort that does not fit into memory may fail
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
        large = number(self.connection, "SELECT coalesce(sum(n), 0) FROM users") > PASSES * SORTED
        if large:
            place = spill_folder(self.connection) / "cut"
            set_variables(self.connection, {"files": FILES})
            self.connection.execute(
                f"COPY ({script('cut')}) TO '{quoted(str(place))}' (FORMAT parquet, PARTITION_BY file)"
            )
            self._let_go()
            create_view(self.connection, "good", place / "*" / "*.parquet")
        self.sort("gather" if large else "order")

    def sort(self, choice: str) -> None:
        """`good` to `interactions`, some users at a time."""
        connection = self.connection
        connection.execute(script("ordered"))
        parts = connection.execute(
            'SELECT min("user"), max("user") FROM '
            '(SELECT "user", (sum(n) OVER (ORDER BY "user") - n) // ? AS part FROM users) GROUP BY part ORDER BY part',
            [SORTED],
        ).fetchall()
        for first, last in parts:
            set_variables(connection, {"first_user": first, "last_user": last})
            connection.execute(script(choice))
        self._let_go()
        if len(parts) > 1:
            self._close_ranks()

    def _close_ranks(self) -> None:
        """Into row groups that are full but for the last. Each part has left one that is not, and where those of the
        Parquet end would then depend on how the threads take turns."""
        before = number(self.connection, "SELECT current_setting('threads')")
        self.connection.execute("SET threads = 1; CREATE TABLE closed AS FROM ordered; DROP TABLE ordered")
        self.connection.execute(f"ALTER TABLE closed RENAME TO ordered; SET threads = {before}")

    def _let_go(self) -> None:
        """Of the rows in the order of the file, and of what looks at them."""
        for view in ("good", "single", "hashed", "numbered"):
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
