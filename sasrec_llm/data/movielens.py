"""The MovieLens files, as released and as split by CoLLM."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from sasrec_llm.data.fetch import unpack
from sasrec_llm.data.own import OwnData
from sasrec_llm.data.readers import delimited, find, read_delimited
from sasrec_llm.errors import DataError

RATINGS = {"user": "user", "item": "item", "rating": "rating", "timestamp": "timestamp"}


def read_ml_1m(connection: Any, folder: Path, _: OwnData | None) -> None:
    """MovieLens-1M: `::` between columns, latin-1."""
    ratings = delimited(find(folder, "ratings.dat"), RATINGS, "delim = '::'")
    connection.execute(f"CREATE VIEW raw_interactions AS {ratings}")
    read_films(connection, "raw_items", find(folder, "movies.dat"))


def read_ml_100k(connection: Any, folder: Path, _: OwnData | None) -> None:
    """MovieLens-100K: tabs; the film table has 24 columns with `|` between, latin-1."""
    ratings = delimited(find(folder, "u.data"), RATINGS, r"delim = '\t'")
    connection.execute(f"CREATE VIEW raw_interactions AS {ratings}")
    connection.execute(
        "CREATE TABLE raw_items AS SELECT row_number() OVER () AS line, split_part(text, '|', 1) AS item, "
        "split_part(text, '|', 2) AS title FROM read_csv(?, delim = '\x01', header = false, auto_detect = false, "
        "columns = {'text': 'VARCHAR'}, quote = '', escape = '', encoding = 'latin-1')",
        [str(find(folder, "u.item"))],
    )


def read_collm(connection: Any, folder: Path, own: OwnData | None) -> None:
    """The published CoLLM split of MovieLens-1M; its row order within a second is kept.

    It has titles only; `own.items` may name the films of MovieLens-1M, whose genres are found by title.
    """
    connection.execute(
        """CREATE TABLE raw_interactions AS
        SELECT row_number() OVER (ORDER BY part, "row") AS line, "user"::VARCHAR AS "user", item::VARCHAR AS item,
            "timestamp"::VARCHAR AS "timestamp", label::VARCHAR AS label, part::VARCHAR AS split
        FROM (SELECT *, CASE split WHEN 'train' THEN 0 WHEN 'valid' THEN 1 WHEN 'test' THEN 2 END AS part
              FROM read_parquet(?))""",
        [str(find(folder, "interactions.parquet"))],
    )
    connection.execute(
        "CREATE TABLE raw_items AS SELECT row_number() OVER () AS line, item::VARCHAR AS item, title "
        "FROM read_parquet(?)",
        [str(find(folder, "items.parquet"))],
    )
    if own and own.items:
        add_genres(connection, Path(own.items))


def add_genres(connection: Any, path: Path) -> None:
    """Genres of `raw_items` by title, from movies.dat of MovieLens-1M: the file, its folder or its zip."""
    if not path.exists():
        raise DataError(f"there is no {path}", hint="Name movies.dat of MovieLens-1M, or its zip: --items PATH")
    with tempfile.TemporaryDirectory() as scratch:
        if path.suffix == ".zip":
            unpack(path, Path(scratch))
            path = Path(scratch)
        read_films(connection, "raw_films", path if path.is_file() else find(path, "movies.dat"))
    connection.execute(
        "CREATE OR REPLACE TABLE raw_items AS SELECT raw_items.*, category FROM raw_items LEFT JOIN "
        "(SELECT title, min(category) AS category FROM raw_films GROUP BY title) USING (title) ORDER BY line"
    )
    if connection.execute("SELECT count(category) FROM raw_items").fetchone() == (0,):
        raise DataError(f"{path.name} has none of the titles", hint="Name movies.dat of MovieLens-1M: --items PATH")


def read_films(connection: Any, table: str, path: Path) -> None:
    """movies.dat of MovieLens-1M."""
    films = {"item": "item", "title": "title", "category": "genres"}
    read_delimited(connection, table, path, films, "delim = '::', encoding = 'latin-1'")
    connection.execute(f"UPDATE {table} SET category = replace(category, '|', ', ')")
