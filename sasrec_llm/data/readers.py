"""Anybody's files to two DuckDB tables of text, `raw_interactions` and `raw_items`; what other readers share.

Lines that are not rows at all (too many or too few columns, broken quotes or encoding) go to `rejected` here; what is
wrong inside a row is found by `sql/check.sql`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sasrec_llm.data.database import column, quoted
from sasrec_llm.data.own import OwnData
from sasrec_llm.errors import DataError
from sasrec_llm.plugins import suggestion
from sasrec_llm.recipe.data import TEXT_FIELDS

BUFFERS = "buffer_size = 4194304"  # bytes, of which a thread reads so many at a time: small files have work for two
GUESSES = {
    "user": ("user", "user_id", "userid", "uid", "customer_id", "reviewerid", "username", "session", "sessionid"),
    "item": ("item", "item_id", "itemid", "iid", "movie_id", "movieid", "product_id", "asin", "parent_asin"),
    "time": ("timestamp", "time", "date", "datetime", "unixreviewtime", "unix_timestamp", "ts"),
    "rating": ("rating", "stars", "score", "overall"),
    "title": ("title", "name", "item_name", "text"),
    "brand": ("brand", "store", "manufacturer"),
    "category": ("category", "categories", "genre", "genres", "main_category"),
    "description": ("description",),
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
    rows = delimited(path, names, options)
    connection.execute(f"CREATE TABLE {table} AS SELECT row_number() OVER () AS line, * FROM ({rows})")
    keep_rejects(connection, "items" if table.endswith("items") else "interactions")


def delimited(path: Path, names: dict[str, str], options: str) -> str:
    """The query that reads such a file."""
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in names.values())
    chosen = ", ".join(f"{column(name)} AS {column(target)}" for target, name in names.items() if target != "_")
    return (
        f"SELECT {chosen} FROM read_csv('{quoted(str(path))}', {options}, header = false, auto_detect = false, "
        f"columns = {{{columns}}}, quote = '', escape = '', store_rejects = true, {BUFFERS})"
    )


def keep_rejects(connection: Any, file: str) -> None:
    """Lines that DuckDB could not parse in the scans so far, to `rejected`."""
    if connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'reject_errors'").fetchone():
        connection.execute(
            f"INSERT INTO rejected SELECT DISTINCT ON (line) '{file}', line, lower(error_type::VARCHAR), csv_line "
            "FROM reject_errors"
        )
        connection.execute("DROP TABLE reject_errors; DROP TABLE reject_scans")


def read_own(connection: Any, path: Path, own: OwnData | None) -> None:
    """CSV, TSV, JSON lines or Parquet, gzipped or not, with columns named or guessed."""
    own = own or OwnData()
    types = _open(connection, "own_rows", path)
    if own.order and own.time:
        raise DataError(f"{path}: rows are ordered by --order {own.order} or by --time {own.time}, not by both")
    role, given = ("order", own.order) if own.order else ("time", own.time)
    names = {
        "user": _required(types, own.user, "user", path),
        "item": _required(types, own.item, "item", path),
        "timestamp": _required(types, given, role, path),
    }
    rating = _column(types, own.rating, "rating", path)
    if rating:
        names["rating"] = rating
    table, key, title = "own_rows", names["item"], own.title
    chosen = ", ".join(f"{column(name)}::VARCHAR AS {column(target)}" for target, name in names.items())
    if set(types) <= set(names.values()):  # read once, while the rows are checked; they are numbered as they come
        connection.execute(f"CREATE VIEW raw_interactions AS SELECT {chosen} FROM own_rows")
    else:  # held, so that a line that is broken in any column is rejected as a whole
        table = _hold(connection, "own_rows")
        connection.execute(f"CREATE VIEW raw_interactions AS SELECT line, {chosen} FROM {table}")
    if own.items is not None:
        path = Path(own.items)
        types = _open(connection, "own_items", path)
        key = key if key in types else _required(types, own.item, "item", path)
        title = _required(types, own.title, "title", path)
        table = _hold(connection, "own_items")
    texts = {"title": title, "brand": own.brand, "category": own.category_column, "description": own.description}
    found = {role: _column(types, texts[role], role, path) for role in TEXT_FIELDS}
    chosen = "".join(f", {_text(name, types[name])} AS {role}" for role, name in found.items() if name)
    line = "row_number() OVER () AS line" if table == "own_rows" else "line"
    rows = f"SELECT {line}, {column(key)}::VARCHAR AS item{chosen} FROM {table}"
    nothing = "SELECT NULL::BIGINT AS line, NULL::VARCHAR AS item LIMIT 0"
    connection.execute(f"CREATE TABLE raw_items AS {rows if chosen else nothing}")


def _text(name: str, kind: str) -> str:
    """SQL of a column as text; a list with commas."""
    if kind.endswith("[]"):
        items = f"flatten({column(name)})" if kind.endswith("[][]") else column(name)
        return f"array_to_string({items}, ', ')"
    return f"{column(name)}::VARCHAR"


def _open(connection: Any, view: str, path: Path) -> dict[str, str]:
    """Name a file's rows; returns its columns and their types."""
    if not path.is_file():
        raise DataError(f"there is no file {path}", hint="Name its folder: --from FOLDER")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty")
    kind = next((suffix for suffix in reversed(path.suffixes) if suffix != ".gz"), "")
    name = f"'{quoted(str(path))}'"
    if kind in (".csv", ".tsv", ".txt", ".dat"):
        rows = f"read_csv({name}, all_varchar = true, header = true, store_rejects = true, {BUFFERS})"
    elif kind in (".jsonl", ".ndjson", ".json"):
        rows = f"read_json({name}, format = 'newline_delimited', ignore_errors = true)"
    elif kind in (".parquet", ".pq"):
        rows = f"read_parquet({name})"
    else:
        raise DataError(f"{path}: {kind or 'no'} suffix; srl reads .csv .tsv .jsonl .parquet, each also as .gz")
    connection.execute(f"CREATE VIEW {view} AS SELECT * FROM {rows}")
    return {row[0]: row[1] for row in connection.execute(f"DESCRIBE {view}").fetchall()}


def _hold(connection: Any, view: str) -> str:
    """The rows in a table, each with its line."""
    connection.execute(f"CREATE TABLE held_{view} AS SELECT row_number() OVER () AS line, * FROM {view}")
    keep_rejects(connection, "items" if view.endswith("items") else "interactions")
    return f"held_{view}"


def _required(known: Mapping[str, str], given: str | None, role: str, path: Path) -> str:
    found = _column(known, given, role, path)
    if found is None:
        raise DataError(
            f"{path}: which column is the {role}? It has: {', '.join(known)}", hint=f"Name it: --{role} NAME"
        )
    return found


def _column(known: Mapping[str, str], given: str | None, role: str, path: Path) -> str | None:
    """The column for a role: the one named, or one with a usual name."""
    if given is not None:
        if given not in known:
            raise DataError(
                f"{path} has no column {given!r}{suggestion(given, list(known))}; it has: {', '.join(known)}",
                hint=f"Name the {role} column: --{'category-column' if role == 'category' else role} NAME",
            )
        return given
    lower = {name.lower(): name for name in reversed(list(known))}
    return next((lower[name] for name in GUESSES[role] if name in lower), None)
