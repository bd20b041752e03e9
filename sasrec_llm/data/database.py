"""DuckDB, in memory, with the SQL of this package's files. The only importer of duckdb."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb

from sasrec_llm.errors import DataError, StorageError

MEMORY, MOST = 400, 8  # megabytes a thread, of so many threads; what Python and the files take comes on top
GROUP = 122_880  # rows of a row group, in memory and in Parquet
DENSE = 22  # bits: rows of whole numbers in so small a range are counted in an array
Connection = duckdb.DuckDBPyConnection


@contextlib.contextmanager
def connect(spill: Path | None = None) -> Iterator[Any]:
    """A connection whose errors are ours. What does not fit in memory spills into the folder `spill`."""
    connection = duckdb.connect()
    try:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"SET perfect_ht_threshold = {DENSE}")
        if spill:
            connection.execute(f"SET temp_directory = '{quoted(str(spill))}'")
        yield connection
    except duckdb.OutOfMemoryException as error:
        raise StorageError(f"DuckDB ran out of memory or spill space: {first_line(error)}") from error
    except duckdb.IOException as error:
        raise StorageError(f"DuckDB could not read or write: {first_line(error)}") from error
    except duckdb.Error as error:
        raise DataError(f"DuckDB could not do it: {first_line(error)}") from error
    finally:
        connection.close()


def limit(connection: Any, threads: int | None = None, memory: str | None = None) -> tuple[int, str]:
    """Keep DuckDB to some threads and to some memory, and return them; what does not fit spills."""
    if threads:
        connection.execute(f"SET threads = {threads}")
    threads = number(connection, "SELECT current_setting('threads')")
    memory = memory or f"{MEMORY * min(threads, MOST)}MB"
    connection.execute(f"SET memory_limit = '{memory}'")
    held = int(in_bytes(memory) * 0.75)  # most of it is asked of the system once, and not again for every block
    connection.execute(f"SET block_allocator_memory = '{held}B'")
    return threads, memory


def number(connection: Any, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


def script(name: str) -> str:
    return (files("sasrec_llm.data") / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def split_of(protocol: str) -> str:
    """The query that adds `part` to `interactions`: 0 train, 1 valid, 2 test, 3 known only, NULL unused.

    It reads the variables `task`, and `folds`, `fold`, `asks`, `months` where the protocol has such options."""
    return script("protocol_" + protocol.replace("-", "_"))


def set_variables(connection: Any, values: Mapping[str, int | str | list[str]]) -> None:
    for name, value in values.items():
        connection.execute(f"SET VARIABLE {name} = ?", [value])


def quoted(text: str) -> str:
    """For use between single quotes."""
    return text.replace("'", "''")


def column(name: str) -> str:
    """A column name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def write_parquet(connection: Any, query: str, path: Path) -> None:
    """Large dictionaries are not worth their time: sorted columns are delta-encoded, others compress as they are."""
    connection.execute(
        f"COPY ({query}) TO '{quoted(str(path))}' (FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd, "
        f"ROW_GROUP_SIZE {GROUP}, DICTIONARY_SIZE_LIMIT 1000)"
    )


def in_bytes(memory: str) -> float:
    """`1.5GB` -> 1,500,000,000"""
    unit = memory.lstrip("0123456789. ")
    return float(memory.removesuffix(unit)) * (1024.0 if "i" in unit else 1000.0) ** (1 + "KMGT".index(unit[0]))


def keep_on_disk(connection: Any) -> None:
    """New tables are on disk from the start, compressed. One that is spilled keeps about a byte a row in memory."""
    connection.execute(f"ATTACH '{quoted(str(spill_folder(connection) / 'tables'))}' AS kept; USE kept")


def create_view(connection: Any, name: str, path: Path) -> None:
    """Of a Parquet file, or of all that a pattern finds."""
    rows = f"read_parquet('{quoted(str(path))}', hive_partitioning = false)"
    connection.execute(f"CREATE OR REPLACE VIEW {name} AS FROM {rows}")


def spill_folder(connection: Any) -> Path:
    """For what is too large for memory."""
    folder = connection.execute("SELECT current_setting('temp_directory')").fetchone()[0] or tempfile.gettempdir()
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder)


def first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0]
