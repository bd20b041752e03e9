"""What each protocol promises, on random interactions with ties in time, and on the demo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sasrec_llm.components import Task
from sasrec_llm.data.database import connect
from sasrec_llm.data.interactions import SPLITS, Interactions, load_interactions
from sasrec_llm.errors import DataError
from sasrec_llm.protocols import TASKS, Protocol
from tests.small_data import MONTH, prepared

Event = tuple[int, int, int, int]  # user, item, label, time
Case = tuple[str, Task, dict[str, int | str]]
CASES: list[Case] = [
    ("collm", "like", {}),
    ("collm", "like", {"months": "2.0,11.0,11.5,12.0"}),
    ("temporal", "like", {}),
    ("temporal", "next-item", {}),
    ("temporal", "next-item", {"asks": "first"}),
    ("leave-one-out", "next-item", {}),
    ("session", "next-item", {}),
    *(("k-fold", task, {"folds": 4, "fold": fold}) for task in ("like", "next-item") for fold in (1, 4)),
]


@dataclass(frozen=True)
class Split:
    """A dataset and what a protocol made of it, as plain lists in the order of the rows."""

    given: list[Event]  # all prepared rows that can be asked about
    rows: list[Event]
    parts: list[str]
    data: Interactions

    def of(self, *names: str) -> list[Event]:
        return [row for row, part in zip(self.rows, self.parts, strict=True) if part in names]

    def users(self, *names: str) -> set[int]:
        return {row[0] for row in self.of(*names)}

    def of_user(self, user: int) -> list[tuple[Event, str]]:
        return [pair for pair in zip(self.rows, self.parts, strict=True) if pair[0][0] == user]


def rows_of(folder: Path) -> list[Event]:
    with connect() as connection:
        return connection.execute(
            'SELECT "user", item, label, "timestamp" FROM read_parquet(?) ORDER BY "user", "timestamp", line',
            [str(folder / "interactions.parquet")],
        ).fetchall()


def split(folder: Path, rows: list[Event], protocol: str, task: Task, options: dict[str, int | str]) -> Split:
    if task == "next-item":
        rows = [(u, i, 1, t) for u, i, label, t in rows if label or len(TASKS[protocol]) == 1]
    data = load_interactions(folder, protocol, task=task, options=options)
    users, items = data.user_ids[data.rows.users].tolist(), data.item_ids[data.rows.items].tolist()
    found = list(zip(users, items, data.rows.labels.tolist(), data.rows.times.tolist(), strict=True))
    return Split(rows, found, [SPLITS[part] for part in data.splits], data)


def check(it: Split) -> None:
    """What every protocol promises, then what this one does."""
    assert not Counter(it.rows) - Counter(it.given), "no row is in two splits, none is invented"
    if it.data.protocol not in ("collm", "session"):
        assert it.rows == it.given, "none is left out"
    assert sum(len(it.data.of(name)) for name in SPLITS) == len(it.rows)
    stage = {"train": 0, "valid": 1, "test": 2}
    for user in it.users(*SPLITS):
        seen = [stage[part] for _, part in it.of_user(user) if part != "context"]
        assert seen == sorted(seen), "no train row of a user is behind one that is asked"
    slots = it.data.item_ids[it.data.histories(np.arange(len(it.rows)), len(it.rows)).items.numpy()]
    strict = it.data.history_rule == "strict"
    for row, (user, _, _, time) in enumerate(it.rows):
        known = [i for u, i, label, t in it.rows[:row] if u == user and label and (t < time or not strict)]
        assert slots[row][slots[row] != 0].tolist() == known, "the user's own earlier likes and nothing else"
    PROMISES[it.data.protocol](it)


def month(event: Event) -> int:
    return int(np.datetime64(event[3], "s").astype("datetime64[M]").astype(int))


def collm(it: Split) -> None:
    first = min(map(month, it.given))
    if it.data.options:  # one month is shared, half and half
        december = [row for row in it.given if month(row) - first == 11]
        assert it.of("train") == [row for row in it.given if 2 <= month(row) - first < 11]
        assert sorted(it.of("valid", "test")) == sorted(december)
        assert len(it.of("valid")) == len(december) // 2 > 0
        assert max(row[3] for row in it.of("valid")) <= min(row[3] for row in it.of("test"))
        return
    for name, (low, high) in {"train": (14, 23), "valid": (24, 28), "test": (29, 33)}.items():
        assert it.of(name) == [row for row in it.given if low <= month(row) - first <= high]


def temporal(it: Split) -> None:
    times = {name: [row[3] for row in it.of(name)] for name in SPLITS}
    cuts = [min(times["valid"]), min(times["test"]), max(row[3] for row in it.given) + 1]
    for cut, share in zip(cuts, (0.8, 0.9), strict=False):
        if it.data.task == "like":  # of all rows; likes are only some of them
            assert sum(row[3] < cut for row in it.given) <= share * len(it.given) <= sum(r[3] <= cut for r in it.given)
    assert it.of("train") == [row for row in it.given if row[3] < cuts[0]]
    for name, low, high in (("valid", *cuts[:2]), ("test", *cuts[1:])):
        period = [row for row in it.given if low <= row[3] < high]
        firsts = [row for n, row in enumerate(period) if row[0] not in {user for user, *_ in period[:n]}]
        assert it.of(name) == (firsts if it.data.options.get("asks") == "first" else period)


def leave_one_out(it: Split) -> None:
    for user in it.users(*SPLITS):
        parts = [part for _, part in it.of_user(user)]
        assert parts == (["train"] * (len(parts) - 2) + ["valid", "test"] if len(parts) > 2 else ["train"] * len(parts))


def session(it: Split) -> None:
    """The latest fifth of the sessions, of items that an earlier session has; a tenth of the earlier for validation."""
    last = {user: max(row[3] for row in it.given if row[0] == user) for user in {row[0] for row in it.given}}
    early = set(sorted(last, key=lambda user: (last[user], user))[: int(0.8 * len(last))])
    known = {row[1] for row in it.given if row[0] in early}
    assert it.users("train", "valid") <= early
    assert not it.users("test") & early
    left = {user: [r for r in it.given if r[0] == user and r[1] in known] for user in set(last) - early}
    assert it.users("test") == {user for user, rows in left.items() if len(rows) > 1}
    for user in it.users("valid", "test"):
        parts = [part for _, part in it.of_user(user)]
        assert parts == ["context"] * (len(parts) - 1) + ["test" if user in left else "valid"]
        assert [row for row, _ in it.of_user(user)] == left.get(user, [row for row in it.given if row[0] == user])
    assert len(it.of("valid")) <= 0.1 * len(early)


def k_fold(it: Split) -> None:
    asked = it.users("valid"), it.users("test")
    assert not asked[0] & asked[1]
    assert not it.users("train") & (it.users("valid", "test", "context"))
    if it.data.task == "like":
        assert not it.of("context"), "all rows are asked"
        return
    for user in it.users("valid", "test", "context"):
        parts = [part for _, part in it.of_user(user)]
        assert set(parts[:-1]) <= {"context"}
        assert parts[-1] == ("context" if len(parts) == 1 else "test" if user in asked[1] else "valid")


PROMISES = {"collm": collm, "temporal": temporal, "leave-one-out": leave_one_out, "session": session, "k-fold": k_fold}


@pytest.mark.parametrize(("protocol", "task", "options"), CASES)
def test_promises_hold_where_every_split_has_rows(
    protocol: str, task: Task, options: dict[str, int | str], tied_folder: Path
) -> None:
    check(split(tied_folder, rows_of(tied_folder), protocol, task, options))


def test_every_protocol_and_task_is_among_the_cases() -> None:
    assert {(protocol, task) for protocol, task, _ in CASES} == {
        (protocol, task) for protocol, tasks in TASKS.items() for task in tasks
    }
    assert set(TASKS) == set(get_args(Protocol))


EVENTS = st.lists(
    st.tuples(
        st.integers(1, 12), st.integers(1, 9), st.sampled_from([2, 5]), st.integers(0, 35), st.integers(0, 1)
    ),  # user, item, rating, month, second
    min_size=60,
    max_size=120,
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a smaller table would tell no more, and takes minutes
)
@given(events=EVENTS, cases=st.lists(st.sampled_from(CASES), min_size=4, max_size=4, unique_by=str))
def test_promises_hold_for_any_interactions(
    events: Sequence[tuple[int, int, int, int, int]], cases: list[Case], tmp_path_factory: pytest.TempPathFactory
) -> None:
    given = [(user, item, rating, int(month * MONTH) + second) for user, item, rating, month, second in events]
    folder = prepared(tmp_path_factory.mktemp("random") / "own", given)
    rows = rows_of(folder)
    for case in cases:
        try:
            found = split(folder, rows, *case)
        except DataError as error:  # a split may be empty, or hold likes alone
            assert "leaves no" in str(error) or "nothing to learn" in str(error)  # noqa: PT017
            continue
        check(found)
