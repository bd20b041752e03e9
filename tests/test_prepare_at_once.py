"""What preparing does by counting must be what one gets row by row."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from sasrec_llm.cli.app import app
from sasrec_llm.data import prepare as preparing
from sasrec_llm.data import rows as reading
from sasrec_llm.data import whole
from sasrec_llm.data.card import Card
from sasrec_llm.data.costs import measured, read_costs
from sasrec_llm.data.database import connect, in_bytes, script, set_variables, split_of
from sasrec_llm.data.own import OwnData, own_source
from sasrec_llm.data.parts import protocol_rows, rows_of
from sasrec_llm.data.prepare import prepare
from sasrec_llm.errors import DataError
from sasrec_llm.protocols import FOLDS, TASKS

DAY = 86_400
ROWS = st.lists(
    st.tuples(
        st.integers(1, 8), st.integers(1, 6), st.sampled_from([1, 4, 5]), st.integers(0, 1200), st.sampled_from([0, 7])
    ),
    min_size=1,
    max_size=80,
)
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def prepared(folder: Path, text: str, threads: int | None = None, **own: object) -> Card:
    given = folder / "own.csv"
    given.write_text(text, encoding="utf-8")
    settings_ = OwnData.model_validate(own)
    return prepare(own_source("own"), given=given, folder=folder / "own", cache=folder, own=settings_, threads=threads)


def csv(rows: list[tuple[int, ...]]) -> str:
    lines = [f"{user},{item},{rating},{day * DAY + second}" for user, item, rating, day, second in rows]
    return "\n".join(["user,item,rating,timestamp", *lines]) + "\n"


def read(folder: Path, table: str) -> list[tuple[object, ...]]:
    with connect() as connection:
        return connection.execute(f"SELECT * FROM read_parquet('{folder}/own/{table}.parquet')").fetchall()


def core(rows: list[tuple[int, int, int]], min_user: int, min_item: int) -> tuple[list[int], dict[int, str]]:
    """Lines that stay, and why the others left; rows are line, user, item."""
    left: dict[int, str] = {}
    while True:
        users, items = Counter(user for _, user, _ in rows), Counter(item for _, _, item in rows)
        few = {line: "user" for line, user, _ in rows if users[user] < min_user}
        few = {line: "item" for line, _, item in rows if items[item] < min_item} | few
        if not few:
            return [line for line, _, _ in rows], left
        left |= few
        rows = [row for row in rows if row[0] not in few]


@FEW
@given(rows=ROWS, min_user=st.integers(0, 6), min_item=st.integers(0, 6))
def test_the_k_core_is_that_of_a_plain_loop(rows: list[tuple[int, ...]], min_user: int, min_item: int) -> None:
    last = {(user, item, day, second): line for line, (user, item, _, day, second) in enumerate(rows, 1)}
    single = [(line, key[0], key[1]) for key, line in last.items()]
    stay, left = core(sorted(single), min_user, min_item)
    with TemporaryDirectory() as name:
        folder = Path(name)
        if not stay:
            with pytest.raises(Exception, match="no row is left"):
                prepared(folder, csv(rows), min_user=min_user, min_item=min_item)
            return
        card = prepared(folder, csv(rows), min_user=min_user, min_item=min_item)
        assert sorted(row[-1] for row in read(folder, "interactions")) == stay
        reasons = {line: reason.split()[0] for _, line, reason, _ in read(folder, "rejects")}  # type: ignore[attr-defined]
        assert reasons == left
        kept = [rows[line - 1] for line in stay]
        moments = Counter((user, day, second) for user, _, _, day, second in kept)
        assert (card.merged, card.kept) == (len(rows) - len(single), len(stay))
        assert card.ties == sum(n for n in moments.values() if n > 1)
        assert (card.users, card.items) == (len({row[0] for row in kept}), len({row[1] for row in kept}))


@FEW
@given(rows=ROWS, published=st.booleans())
def test_the_rows_of_each_part_are_those_of_the_split(rows: list[tuple[int, ...]], published: bool) -> None:
    with connect() as connection:
        connection.execute(
            'CREATE TABLE interactions ("user" INTEGER, item INTEGER, label TINYINT, "timestamp" BIGINT, '
            "split TINYINT, line BIGINT)"
        )
        connection.executemany(
            "INSERT INTO interactions VALUES (?, ?, ?, ?, ?, ?)",
            [
                (user, item, int(rating > 3), day * DAY + second, line % 3 if published and line % 2 else None, line)
                for line, (user, item, rating, day, second) in enumerate(rows)
            ],
        )
        for key in ("user", "item"):
            connection.execute(f'CREATE TABLE {key}s AS SELECT "{key}", count(*) AS n FROM interactions GROUP BY 1')
        connection.execute(script("sums"))
        protocol_rows(connection, liked=0.5, timed=True)
        for protocol, tasks in TASKS.items():
            for task in tasks:
                set_variables(connection, {"folds": FOLDS, "fold": 1, "task": task})
                query = f"SELECT part, count(*) FROM ({split_of(protocol)}) WHERE part IN (0, 1, 2) GROUP BY part"
                expected = dict(connection.execute(query).fetchall())
                assert rows_of(connection, protocol) == expected, (protocol, task)


@settings(FEW, max_examples=15)  # each prepares three times
@given(rows=ROWS, size=st.integers(1, 30), passes=st.sampled_from([1, 100]))
def test_sorting_some_users_at_a_time_changes_no_row(rows: list[tuple[int, ...]], size: int, passes: int) -> None:
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        at_once = prepared(Path(name), csv(rows))
        together = read(Path(name), "interactions")
        patch.setattr(whole, "SORTED", size)
        patch.setattr(whole, "PASSES", passes)
        hashes = {prepared(Path(name), csv(rows), threads=threads).sha256 for threads in (1, 2)}
        assert read(Path(name), "interactions") == together
        assert len(hashes) == 1
        assert at_once.kept == len(together)


@pytest.mark.parametrize(("memory", "expected"), [("1.5GB", 1.5e9), ("512 MiB", 2**29), ("800KB", 8e5)])
def test_memory_in_bytes(memory: str, expected: float) -> None:
    assert in_bytes(memory) == expected


@settings(FEW, max_examples=8)
@given(rows=ROWS, most=st.integers(0, 4))
def test_tables_on_disk_change_no_row(rows: list[tuple[int, ...]], most: int) -> None:
    own = {"min_user": most, "min_item": most, "max_id": 7, "once": True, "max_bad": 1}
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        found = []
        for size in (0, 10**12):
            patch.setattr(preparing, "size_of", lambda _, size=size: size)
            try:
                found.append(prepared(folder, csv(rows), **own).sha256)
            except DataError as error:
                found.append(str(error))
        assert found[0] == found[1]


@pytest.mark.parametrize("odd", ["07", "x", " 7", "7.0", "99999999999", "-7", "99999999999999999999"])
def test_keys_are_kept_as_they_are_written(odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LOOKED_AT", 2)  # what comes later is not looked at before
    rows = "user,item,rating,timestamp\n7,1,5,1\n7,2,5,2\n8,1,5,3\n"
    prepared(tmp_path, rows + f"{odd},{odd},5,4\n,1,5,5\n", max_bad=1)
    keys = {"7", "8", odd.strip()}
    assert {row[1] for row in read(tmp_path, "users")} == keys
    assert {row[1] for row in read(tmp_path, "items")} == {"1", "2", odd.strip()}
    assert read(tmp_path, "rejects") == [("interactions", 5, "no user", "1 | 5 | 5")]


def test_a_rating_is_liked_as_it_is_kept(tmp_path: Path) -> None:
    """In 32 bits, where 4.3 is a little more than 4.3; what they cannot hold is no rating."""
    rows = "user,item,rating,timestamp\n1,1,4.3,1\n1,2,4.29,2\n1,3,1e39,3\n"
    card = prepared(tmp_path, rows, like_at=4.3, max_bad=1)
    assert [row[3] for row in read(tmp_path, "interactions")] == [1, 0]
    assert card.quarantine == {"rating is too large": 1}


def test_memory_is_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.csv").write_text("user,item,rating,timestamp\n1,1,5,1\n1,2,4,2\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["data", "prepare", "own.csv", "--memory", "200MB"])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(app, ["data", "prepare", "own.csv", "--memory", "lots"])
    assert "--memory" in str(done.exception)


def test_what_preparing_took_is_told_and_changes_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data" / "own"
    (tmp_path / "data").mkdir()
    rows = "user,item,rating,timestamp\n1,1,5,1\n1,2,4,2\n"
    prepared(folder.parent, rows, memory="200MB")
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    prepared(folder.parent, rows, threads=1)
    again = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name for name in first if first[name] != again[name]} == {"costs.json"}
    costs = read_costs(folder)
    assert costs
    assert (costs.rows, costs.threads, costs.memory) == (2, 1, "400MB")
    assert costs.peak_mb is None or costs.peak_mb > 20
    monkeypatch.chdir(tmp_path)
    assert costs.line() in CliRunner().invoke(app, ["data", "show", "own"]).output
    (folder / "costs.json").unlink()
    assert CliRunner().invoke(app, ["data", "show", "own"]).exit_code == 0


def test_the_disk_on_the_side_is_that_of_its_fullest_moment(tmp_path: Path) -> None:
    with measured(tmp_path) as so_far:
        (tmp_path / "spill").mkdir()
        spilled = tmp_path / "spill" / "file"
        spilled.write_bytes(b"0" * 3_000_000)
        until = time.monotonic() + 10
        while so_far()[1] < 3 and time.monotonic() < until:
            time.sleep(0.01)
        spilled.unlink()
    assert so_far()[1] == 3
