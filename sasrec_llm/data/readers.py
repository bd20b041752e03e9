"""Raw files to two DuckDB tables of text, `raw_interactions` and `raw_items`, one function per format.

Lines that are not rows at all (too many or too few columns, broken quotes or encoding) go to `rejected` here; what is
wrong inside a row is found by `sql/check.sql`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sasrec_llm.data.database import column
from sasrec_llm.data.own import OwnData
from sasrec_llm.errors import DataError
from sasrec_llm.plugins import suggestion

GUESSES = {
    "user": ("user", "user_id", "userid", "uid", "customer_id", "reviewerid", "session", "sessionid"),
    "item": ("item", "item_id", "itemid", "iid", "movie_id", "movieid", "product_id", "asin", "parent_asin"),
    "time": ("timestamp", "time", "date", "datetime", "unixreviewtime", "unix_timestamp", "ts"),
    "rating": ("rating", "stars", "score", "overall"),
    "title": ("title", "name", "item_name", "text"),
}


def find(folder: Path, name: str) -> Path:
    """The file of that name in the folder or in one folder below it."""
    found = [path for path in (folder / name, *sorted(folder.glob(f"*/{name}"))) if path.is_file()]
    if not found:
        raise DataError(
            f"{folder} holds no {name}", hint="Give the folder or the zip with the original files: --from PATH"
        )
    return found[0]


def read_delimited(connection: Any, table: str, path: Path, names: dict[str, str], options: str) -> None:
    """A delimited file with known columns into a table of text; lines that do not parse into `rejected`."""
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in names.values())
    chosen = ", ".join(f"{column(name)} AS {column(target)}" for target, name in names.items() if target != "_")
    _with_rejects(
        connection,
        table,
        f"CREATE TABLE {table} AS SELECT row_number() OVER () AS line, {chosen} FROM read_csv(?, {options}, "
        f"header = false, auto_detect = false, columns = {{{columns}}}, quote = '', escape = '', store_rejects = true)",
        path,
    )


def _with_rejects(connection: Any, table: str, query: str, path: Path) -> None:
    connection.execute(query, [str(path)])
    file = "items" if table.endswith("items") else "interactions"
    connection.execute(
        f"INSERT INTO rejected SELECT DISTINCT ON (line) '{file}', line, lower(error_type::VARCHAR), csv_line "
        "FROM reject_errors"
    )
    connection.execute("DROP TABLE reject_errors; DROP TABLE reject_scans")


def _complete(connection: Any, *, has_rating: bool) -> None:
    """Columns that a format does not have, and whether ratings are to be expected."""
    known = {row[0] for row in connection.execute("DESCRIBE raw_interactions").fetchall()}
    for name in ("rating", "label", "split"):
        if name not in known:
            connection.execute(f"ALTER TABLE raw_interactions ADD COLUMN {name} VARCHAR")
    connection.execute(f"SET VARIABLE has_rating = {str(has_rating).lower()}")


def read_ml_1m(connection: Any, folder: Path, _: OwnData | None) -> None:
    """MovieLens-1M: `::` between columns, latin-1."""
    names = {"user": "user", "item": "item", "rating": "rating", "timestamp": "timestamp"}
    read_delimited(connection, "raw_interactions", find(folder, "ratings.dat"), names, "delim = '::'")
    films = {"item": "item", "title": "title", "_": "genres"}
    read_delimited(connection, "raw_items", find(folder, "movies.dat"), films, "delim = '::', encoding = 'latin-1'")
    _complete(connection, has_rating=True)


def read_ml_100k(connection: Any, folder: Path, _: OwnData | None) -> None:
    """MovieLens-100K: tabs; the film table has 24 columns with `|` between, latin-1."""
    names = {"user": "user", "item": "item", "rating": "rating", "timestamp": "timestamp"}
    read_delimited(connection, "raw_interactions", find(folder, "u.data"), names, r"delim = '\t'")
    connection.execute(
        "CREATE TABLE raw_items AS SELECT row_number() OVER () AS line, split_part(text, '|', 1) AS item, "
        "split_part(text, '|', 2) AS title FROM read_csv(?, delim = '\x01', header = false, auto_detect = false, "
        "columns = {'text': 'VARCHAR'}, quote = '', escape = '', encoding = 'latin-1')",
        [str(find(folder, "u.item"))],
    )
    _complete(connection, has_rating=True)


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
    _complete(connection, has_rating=False)


def read_own(connection: Any, path: Path, own: OwnData | None) -> None:
    """Anybody's file: CSV, TSV, JSON lines or Parquet, gzipped or not, with columns named or guessed."""
    own = own or OwnData()
    known = _open(connection, "own_rows", path)
    names = {
        "user": _required(known, own.user, "user", path),
        "item": _required(known, own.item, "item", path),
        "timestamp": _required(known, own.time, "time", path),
    }
    rating = _column(known, own.rating, "rating", path)
    if rating:
        names["rating"] = rating
    chosen = ", ".join(f"{column(name)}::VARCHAR AS {column(target)}" for target, name in names.items())
    connection.execute(f"CREATE TABLE raw_interactions AS SELECT line, {chosen} FROM own_rows")
    _complete(connection, has_rating=rating is not None)
    table, key = "own_rows", names["item"]
    title = _column(known, own.title, "title", path) if own.items is None else None
    if own.items is not None:
        items = Path(own.items)
        table, known = "own_items", _open(connection, "own_items", items)
        key = key if key in known else _required(known, own.item, "item", items)
        title = _required(known, own.title, "title", items)
    text = f"{column(title)}::VARCHAR" if title else "NULL::VARCHAR"
    connection.execute(
        f"CREATE TABLE raw_items AS SELECT line, {column(key)}::VARCHAR AS item, {text} AS title FROM {table}"
    )


def _open(connection: Any, table: str, path: Path) -> list[str]:
    """Read a file into `table` with a line number; returns its columns."""
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty")
    create = f"CREATE TABLE {table} AS SELECT row_number() OVER () AS line, * FROM "
    kind = next((suffix for suffix in reversed(path.suffixes) if suffix != ".gz"), "")
    if kind in (".csv", ".tsv", ".txt", ".dat"):
        _with_rejects(
            connection, table, create + "read_csv(?, all_varchar = true, header = true, store_rejects = true)", path
        )
    elif kind in (".jsonl", ".ndjson", ".json"):
        connection.execute(create + "read_json(?, format = 'newline_delimited', ignore_errors = true)", [str(path)])
    elif kind in (".parquet", ".pq"):
        connection.execute(create + "read_parquet(?)", [str(path)])
    else:
        raise DataError(f"{path}: {kind or 'no'} suffix; srl reads .csv .tsv .jsonl .parquet, each also as .gz")
    return [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall() if row[0] != "line"]


def _required(known: list[str], given: str | None, role: str, path: Path) -> str:
    found = _column(known, given, role, path)
    if found is None:
        raise DataError(
            f"{path}: which column is the {role}? It has: {', '.join(known)}", hint=f"Name it: --{role} NAME"
        )
    return found


def _column(known: list[str], given: str | None, role: str, path: Path) -> str | None:
    """The column for a role: the one named, or one with a usual name."""
    if given is not None:
        if given not in known:
            raise DataError(
                f"{path} has no column {given!r}{suggestion(given, known)}; it has: {', '.join(known)}",
                hint=f"Name the {role} column: --{role} NAME",
            )
        return given
    lower = {name.lower(): name for name in reversed(known)}
    return next((lower[name] for name in GUESSES[role] if name in lower), None)
