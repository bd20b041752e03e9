"""The MovieLens files, as released and as split by CoLLM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sasrec_llm.data.own import OwnData
from sasrec_llm.data.readers import find, read_delimited

RATINGS = {"user": "user", "item": "item", "rating": "rating", "timestamp": "timestamp"}


def read_ml_1m(connection: Any, folder: Path, _: OwnData | None) -> None:
    """MovieLens-1M: `::` between columns, latin-1."""
    read_delimited(connection, "raw_interactions", find(folder, "ratings.dat"), RATINGS, "delim = '::'")
    films = {"item": "item", "title": "title", "category": "genres"}
    read_delimited(connection, "raw_items", find(folder, "movies.dat"), films, "delim = '::', encoding = 'latin-1'")
    connection.execute("UPDATE raw_items SET category = replace(category, '|', ', ')")


def read_ml_100k(connection: Any, folder: Path, _: OwnData | None) -> None:
    """MovieLens-100K: tabs; the film table has 24 columns with `|` between, latin-1."""
    read_delimited(connection, "raw_interactions", find(folder, "u.data"), RATINGS, r"delim = '\t'")
    connection.execute(
        "CREATE TABLE raw_items AS SELECT row_number() OVER () AS line, split_part(text, '|', 1) AS item, "
        "split_part(text, '|', 2) AS title FROM read_csv(?, delim = '\x01', header = false, auto_detect = false, "
        "columns = {'text': 'VARCHAR'}, quote = '', escape = '', encoding = 'latin-1')",
        [str(find(folder, "u.item"))],
    )


def read_collm(connection: Any, folder: Path, _: OwnData | None) -> None:
    """The published CoLLM split of MovieLens-1M; its row order within a second is kept."""
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
