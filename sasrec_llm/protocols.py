"""The protocols: how rows are split, and what each can ask. What they do is in `data/sql/protocol_*.sql`."""

from __future__ import annotations

from typing import Literal

from sasrec_llm.components import Task

Protocol = Literal["collm", "temporal", "leave-one-out", "session", "k-fold"]
TASKS: dict[str, tuple[Task, ...]] = {  # what can be asked under a protocol; the first is asked unless said otherwise
    "collm": ("like",),
    "temporal": ("like", "next-item"),
    "leave-one-out": ("next-item",),
    "session": ("next-item",),
    "k-fold": ("like", "next-item"),
}
FOLDS = 5
SUBSETS: dict[tuple[Protocol, Task], list[str]] = {  # where a protocol has other rows worth a table than its task
    ("temporal", "next-item"): ["all", "known-users", "new-users", "known-items", "new-items"],
    ("k-fold", "like"): ["all", "known-items", "new-items"],  # every user is new
}
