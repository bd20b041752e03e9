"""Files with one object a line, as JSON or as Python would print it, into a table of the columns that are wanted.

Older releases of public review data are Python literals, `{u'asin': u'B00', ...}`. They are parsed as literals, never
run, and written as JSON lines beside DuckDB's spill files; from there both kinds are read the same way.
"""

from __future__ import annotations

import ast
import gzip
import json
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from sasrec_llm.data.database import spill_folder
from sasrec_llm.errors import DataError

LONGEST = 2**20  # characters of a literal; the parser is for lines, not for programs
BROKEN = "not an object of this format"


def read_lines(connection: Any, table: str, path: Path, columns: Mapping[str, str]) -> None:
    """Create `table` with `line` and the `columns` (name -> DuckDB type); what cannot be read goes to `rejected`.

    Lines are counted without the empty ones.
    """
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    with tempfile.TemporaryDirectory(dir=spill_folder(connection)) as folder:
        if _is_python(path):
            path = _as_json(path, Path(folder, "lines.jsonl"), columns)
        types = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
        connection.execute(
            f"CREATE TABLE {table} AS SELECT row_number() OVER () AS line, * FROM read_json(?, "
            f"format = 'newline_delimited', ignore_errors = true, columns = {{{types}}})",
            [str(path)],
        )
    file = "items" if table.endswith("items") else "interactions"
    nothing = f"coalesce({', '.join(f'{name}::VARCHAR' for name in columns)}) IS NULL"
    connection.execute(f"INSERT INTO rejected SELECT '{file}', line, '{BROKEN}', NULL FROM {table} WHERE {nothing}")
    connection.execute(f"DELETE FROM {table} WHERE {nothing}")


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace")
    return path.open(encoding="utf-8", errors="replace")


def _objects(lines: Iterable[str]) -> Iterator[dict[str, Any] | None]:
    """The object of each line that is not empty; None where it holds none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "\\d" in a title is no concern of ours
        for line in filter(None, map(str.strip, lines)):
            try:
                found = ast.literal_eval(line) if len(line) <= LONGEST else None
            except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # all that a literal can raise
                found = None
            yield found if isinstance(found, dict) else None


def _is_python(path: Path) -> bool:
    """Whether the first object in the file is a Python one; JSON wins where a line is both."""
    try:
        with _open(path) as stream:
            for line in filter(None, map(str.strip, stream)):
                try:
                    if isinstance(json.loads(line), dict):
                        return False
                except (ValueError, RecursionError):
                    if next(_objects([line])) is not None:
                        return True
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return False


def _as_json(path: Path, to: Path, columns: Mapping[str, str]) -> Path:
    """The wanted fields of each line; a line without an object, or with what JSON cannot say, becomes an empty one."""
    try:
        with _open(path) as lines, to.open("w", encoding="ascii") as stream:
            for found in _objects(lines):
                wanted = {name: found[name] for name in columns if name in found} if found else {}
                try:
                    text = json.dumps(wanted, allow_nan=False)
                except (ValueError, TypeError, RecursionError):
                    text = "{}"
                stream.write(text + "\n")
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return to
