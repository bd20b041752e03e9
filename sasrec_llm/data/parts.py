"""How many rows each protocol has in each part, for the card: counted from a few small tables, without splitting."""

from __future__ import annotations

from typing import Any

from sasrec_llm.data.card import TIMED
from sasrec_llm.data.database import number, script, set_variables, split_of
from sasrec_llm.protocols import FOLDS, TASKS


def protocol_rows(connection: Any, *, liked: float, timed: bool) -> dict[str, list[int]]:
    """Protocol -> rows of train, valid and test, of those that have some of each."""
    set_variables(connection, {"folds": FOLDS, "fold": 1})
    found = {}
    for protocol, tasks in TASKS.items():
        if protocol in TIMED and not timed:
            continue
        set_variables(connection, {"task": tasks[0] if liked < 1 else tasks[-1]})
        parts = rows_of(connection, protocol)
        if all(parts.get(part) for part in range(3)):
            found[protocol] = [parts[part] for part in range(3)]
    return found


def rows_of(connection: Any, protocol: str) -> dict[int, int]:
    """The same as to split and count."""
    if protocol == "collm" and number(connection, "SELECT count(split) FROM interactions"):  # published: row by row
        query = f"SELECT part, count(*) FROM ({split_of(protocol)}) WHERE part IS NOT NULL GROUP BY part"
    else:
        query = script("parts_" + protocol.replace("-", "_"))
    return {int(part): int(n) for part, n in connection.execute(query).fetchall() if n}
