"""Preparation: every line is accounted for, same input, same bytes, and bad input leaves nothing behind."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from sasrec_llm.cli.app import app
from sasrec_llm.components import Source
from sasrec_llm.data import demo as demo_data
from sasrec_llm.data.card import Card, read_card
from sasrec_llm.data.database import connect
from sasrec_llm.data.own import OwnData, own_source, read_own_toml
from sasrec_llm.data.prepare import prepare
from sasrec_llm.errors import DamagedError, DataError, RecipeError, StorageError, UnsafeError
from sasrec_llm.plugins import Plugins, plugins
from tests.conftest import ROOT

HEADER = "user,item,rating,timestamp,title"
LINES = [f"u{i % 7},i{i % 11},{1 + i % 5},{1_000_000_000 + 60 * i},Film {i % 11}" for i in range(100)]


def own(path: Path, folder: Path = Path("data/own"), threads: int | None = None, **options: object) -> Card:
    return prepare(
        own_source("own"),
        given=path,
        folder=folder,
        cache=Path("cache"),
        own=OwnData.model_validate(options),
        threads=threads,
    )


def write(name: str, lines: list[str], header: str = HEADER) -> Path:
    Path(name).write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return Path(name)


def rows(folder: Path, table: str) -> list[tuple[object, ...]]:
    with connect() as connection:
        return connection.execute("SELECT * FROM read_parquet(?)", [str(folder / f"{table}.parquet")]).fetchall()


def test_bad_rows_are_quarantined_with_their_reason() -> None:
    bad = [
        ",i1,4,1000000000,x",
        "u1,,4,1000000000,x",
        "u1,i1,four,1000000000,x",
        "u1,i1,,1000000000,x",
        "u1,i1,nan,1000000000,x",
        "u1,i1,4,yesterday,x",
        "u1,i1,4,,x",
        "u1,i1,4,-5,x",
        "u1,i1,4",
        "u1,i1,4,1000000000,x,one,more",
    ]
    card = own(write("own.csv", [*LINES, *bad, LINES[0], LINES[0]]), max_bad=0.2)
    assert (card.read, card.kept, card.merged, card.quarantined) == (112, 100, 2, 10)
    assert card.quarantine == {
        "missing columns": 1,
        "too many columns": 1,
        "no item": 1,
        "no rating": 1,
        "no time": 1,
        "no user": 1,
        "rating is not a number": 1,
        "rating is not finite": 1,
        "time before 1970": 1,
        "time is neither a number nor a date": 1,
    }
    rejects = rows(Path("data/own"), "rejects")
    assert len(rejects) == 10
    assert any("u1,i1,4,1000000000,x,one,more" in str(row[3]) for row in rejects)


def test_too_many_bad_rows_stop_and_leave_nothing() -> None:
    with pytest.raises(DataError, match=r"10 of 110 rows cannot be used: no user: 10 \(first in line 101\)"):
        own(write("own.csv", [*LINES, *[",i1,4,1000000000,x"] * 10]))
    assert [path.name for path in Path("data").iterdir()] == [".own.lock"], "which is empty"


@settings(max_examples=25, deadline=None)
@given(
    found=st.lists(
        st.tuples(
            st.sampled_from(["u1", "u2", "", " ", "é", "1", "01"]),
            st.sampled_from(["i1", "i2", "", '"', "a,b"]),
            st.sampled_from(["4", "1", "x", "", "inf", "1e3"]),
            st.sampled_from(["100", "0", "-1", "2001-02-03", "1e12", "1600000000000", "", "1e30"]),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_whatever_the_lines_the_counts_add_up(
    found: list[tuple[str, str, str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    path = folder / "own.csv"
    path.write_text("user,item,rating,timestamp\n" + "".join(",".join(line) + "\n" for line in found))
    try:
        card = own(path, folder / "own", max_bad=1)
    except DataError:
        assert not (folder / "own").exists()
        return
    assert card.read == card.kept + card.merged + card.quarantined
    assert card.quarantined == sum(card.quarantine.values())


def test_the_same_rows_in_every_format_give_the_same_bytes() -> None:
    records = [dict(zip(HEADER.split(","), line.split(","), strict=True)) for line in LINES]
    write("own.csv", LINES)
    write("own.tsv", [line.replace(",", "\t") for line in LINES], HEADER.replace(",", "\t"))
    Path("own.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    with gzip.open("zipped.csv.gz", "wt") as stream:
        stream.write(Path("own.csv").read_text())
    with connect() as connection:
        connection.execute("COPY (SELECT * FROM 'own.csv') TO 'own.parquet' (FORMAT parquet)")
    hashes = {
        own(Path(name), Path("data") / name.split(".")[0], threads=threads).sha256
        for name in ("own.csv", "own.tsv", "own.jsonl", "zipped.csv.gz", "own.parquet")
        for threads in (1, 2)
    }
    assert len(hashes) == 1


def test_order_of_the_file_decides_ties_and_nothing_else_depends_on_it() -> None:
    same_second = ["u1,a,4,100,A", "u1,b,4,100,B", "u1,c,4,100,C"]
    own(write("one.csv", [*LINES, *same_second]), Path("data/one"))
    own(write("two.csv", [*same_second, *reversed(LINES)]), Path("data/two"))
    one, two = (rows(Path("data") / name, "interactions") for name in ("one", "two"))
    assert [row[:6] for row in one] == [row[:6] for row in two]


def test_times_in_any_unit_are_seconds() -> None:
    times = ["1600000000", "1600000000000", "1600000000000000", "1600000000000000000", "2020-09-13 12:26:40", "1.6e9"]
    own(write("own.csv", [f"u{i},a,4,{moment},A" for i, moment in enumerate(times)]))
    assert {row[4] for row in rows(Path("data/own"), "interactions")} == {1_600_000_000}


def test_columns_are_guessed_named_and_explained() -> None:
    write("own.csv", ["7;3;5;100;A"], "customerId;movieId;stars;ts;name")
    with pytest.raises(DataError, match=r"which column is the user\? It has: customerId, movieId") as caught:
        own(Path("own.csv"))
    assert caught.value.hint == "Name it: --user NAME"
    with pytest.raises(DataError, match=r"no column 'customerID' \(did you mean 'customerId'\?\)"):
        own(Path("own.csv"), user="customerID")
    assert own(Path("own.csv"), user="customerId").kept == 1


def test_titles_from_a_second_file_or_the_id() -> None:
    write("own.csv", ["u1,a,4,100", "u1,b,4,101"], "user,item,rating,timestamp")
    write("items.csv", ["a,Alien: the 1st"], "item,title")
    card = own(Path("own.csv"), items="items.csv")
    assert card.untitled == 1
    assert [row[2] for row in rows(Path("data/own"), "items")] == ["Alien: the 1st", "b"]


def test_k_core_is_repeated_until_nothing_leaves() -> None:
    """i9 has one row; without it u9 has one row too few; the rest stays."""
    lines = [f"u{u},i{i},4,{100 + i},T" for u in range(3) for i in range(3)]
    card = own(write("own.csv", [*lines, "u9,i0,4,100,T", "u9,i1,4,101,T", "u9,i9,4,102,T"]), min_user=3, min_item=3)
    assert (card.kept, card.users, card.items) == (9, 3, 3)
    assert card.quarantine == {"item has too few rows": 1, "user has too few rows": 2}
    once = own(Path("own.csv"), min_user=3, min_item=3, once=True)
    assert once.kept == 11
    assert dict(once.lines())["k-core"] == "users with 3 rows, items with 3, counted once"


def test_a_toml_can_describe_own_data(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "shop.toml").write_text('interactions = "sales.csv"\nuser = "who"\nlike_at = 3')
    found = read_own_toml(tmp_path / "sub" / "shop.toml")
    assert (found.name, found.interactions, found.like_at) == ("shop", str(tmp_path / "sub" / "sales.csv"), 3)
    assert read_own_toml(tmp_path / "sub" / "shop.toml", Path("/else")).interactions == "/else/sales.csv"
    (tmp_path / "bad.toml").write_text('interactionz = "sales.csv"')
    with pytest.raises(RecipeError, match=r"unknown key \(did you mean 'interactions'\?\)"):
        read_own_toml(tmp_path / "bad.toml")


def test_rows_can_be_ordered_by_position() -> None:
    from sasrec_llm.data.interactions import load_interactions

    lines = [f"u{i % 3},i{i % 7},{30 - i}" for i in range(30)]
    card = own(write("own.csv", [*lines, "u1,i1,", "u1,i1,x", "u1,i1,-1"], "user,item,pos"), order="pos", max_bad=0.2)
    assert card.quarantine == {"no position": 1, "position is not a number from 0 on": 2}
    assert (card.kept, card.timed) == (30, False)
    assert card.protocols == {"leave-one-out": [24, 3, 3], "k-fold": [10, 1, 1]}
    assert dict(card.lines())["users"].startswith("3 · items 7 · ordered by position, no times")
    found = rows(Path("data/own"), "interactions")
    assert [row[4] for row in found] == sorted((30 - i for i in range(30)), key=lambda pos: ((30 - pos) % 3, pos))
    for protocol in ("temporal", "collm", "session"):
        with pytest.raises(DataError, match="splits by time, and own has none") as caught:
            load_interactions(Path("data/own"), protocol)
        assert "leave-one-out" in caught.value.hint
    with pytest.raises(DataError, match="need times"):
        own(Path("own.csv"), order="pos", since="2020-01-01", max_bad=1)
    with pytest.raises(DataError, match="not by both"):
        own(Path("own.csv"), order="pos", time="pos")


@pytest.mark.parametrize(
    ("name", "counts", "span"),
    [
        ("beauty", (198_502, 22_363, 12_101, 7), "2002-06-12 to 2014-07-23"),
        ("books", (136_864, 14_583, 6_343, 1), "ordered by position, no times"),
    ],
)
def test_the_prepared_forms_are_described_by_a_toml(
    shared: Path, name: str, counts: tuple[int, ...], span: str
) -> None:
    for what in (name, str(ROOT / "recipes" / "data" / f"{name}.toml")):
        done = CliRunner().invoke(app, ["data", "prepare", what, "--from", str(shared / name)])
        assert done.exit_code == 0, done.output
        card = read_card(Path("data") / name)
        assert (card.read, card.kept, card.merged, card.quarantined) == (counts[0], counts[0], 0, 0)
        assert (card.kept, card.users, card.items, card.untitled) == counts
        assert (card.span, card.rated, card.liked_share) == (span, False, 1.0)
    titles = [str(row[2]) for row in rows(Path("data") / name, "items")]
    assert not any("&amp;" in title or "  " in title for title in titles)


def test_tomls_of_datasets_are_no_recipes() -> None:
    listed = CliRunner().invoke(app, ["recipes", "list", "--json"]).output
    assert "quickstart.toml" in listed
    assert "beauty.toml" not in listed
    assert set(plugins().described()) == {"beauty", "books"}
    assert '"beauty"' in CliRunner().invoke(app, ["data", "list", "--json"]).output
    with pytest.raises(DataError, match=r"there is no .*interactions\.tsv") as caught:
        CliRunner().invoke(app, ["data", "prepare", "beauty"], catch_exceptions=False)
    assert "--from" in caught.value.hint


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: None, "there is no"),
        (lambda path: path.write_text(""), "is empty"),
        (lambda path: path.write_text(HEADER + "\n"), "there is not one row"),
    ],
)
def test_input_that_is_not_there(make: object, text: str) -> None:
    make(Path("own.csv"))  # type: ignore[operator]
    with pytest.raises(DataError, match=text):
        own(Path("own.csv"))
    assert not Path("data/own").exists()


def test_a_failed_preparation_leaves_the_old_one() -> None:
    before = own(write("own.csv", LINES)).sha256
    with pytest.raises(DataError):
        own(write("own.csv", []))
    assert read_card(Path("data/own")).sha256 == before


def test_damage_is_found_before_use() -> None:
    from sasrec_llm.data.interactions import load_interactions

    own(write("own.csv", LINES))
    path = Path("data/own/interactions.parquet")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=r"interactions.parquet is damaged"):
        load_interactions(Path("data/own"), "temporal")


def source(**changes: object) -> Source:
    found = {"name": "ml-1m", "summary": "s", "licence": "l", "read": "sasrec_llm.data.movielens:read_ml_1m"}
    return Source(**(found | changes))  # type: ignore[arg-type]


def told(connection: Any, folder: Path, options: object) -> None:
    """Labels and splits of all kinds, a row each."""
    rows = [(1, 0), (0, 1), (1, 2), (None, None), (2, 0), ("yes", 0), (-1, 1), (1, 3), (0, "test")]
    connection.execute(
        "CREATE TABLE raw_interactions (line BIGINT, user VARCHAR, item VARCHAR, timestamp VARCHAR, label VARCHAR, "
        "split VARCHAR)"
    )
    for line, (label, split) in enumerate(rows, start=1):
        connection.execute("INSERT INTO raw_interactions VALUES (?, 1, ?, 5, ?, ?)", [line, line, label, split])
    connection.execute("CREATE TABLE raw_items (line BIGINT, item VARCHAR)")


@pytest.mark.parametrize("shards", [None, 2])
def test_a_source_that_tells_labels_and_a_split_is_checked_too(shards: int | None) -> None:
    mine = source(name="mine", read=told, generated=True)
    card = prepare(
        mine, given=None, folder=Path("data/mine"), cache=Path("cache"), own=OwnData(max_bad=1), shards=shards
    )
    assert card.quarantine == {"label is neither 0 nor 1": 3, "split is neither 0, 1 nor 2": 2}
    assert [row[3] for row in rows(Path("data/mine"), "interactions")] == [1, 0, 1, 1]
    assert [row[5] for row in rows(Path("data/mine"), "interactions")] == [0, 1, 2, None]
    assert rows(Path("data/mine"), "rejects")[0][3] == "1 | 5 | 5 | 2 | 0"


def test_archives_stay_in_their_folder() -> None:
    with zipfile.ZipFile("evil.zip", "w") as bundle:
        bundle.writestr("../../escaped.txt", "x")
    with pytest.raises(UnsafeError, match="outside its folder"):
        prepare(source(), given=Path("evil.zip"), folder=Path("data/x"), cache=Path("cache"))
    with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("ratings.dat", b"0" * 50_000_000)
    with pytest.raises(UnsafeError, match="would unpack to 50,000,000 bytes"):
        prepare(source(), given=Path("bomb.zip"), folder=Path("data/x"), cache=Path("cache"))
    Path("not.zip").write_text("no zip")
    with pytest.raises(DataError, match="is not a zip archive"):
        prepare(source(), given=Path("not.zip"), folder=Path("data/x"), cache=Path("cache"))
    with pytest.raises(DataError, match=r"holds no ratings.dat"):
        prepare(source(), given=Path(), folder=Path("data/x"), cache=Path("cache"))


def test_downloads_are_checked(tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    with zipfile.ZipFile(tmp_path / "served" / "ml.zip", "w") as bundle:
        bundle.writestr("ml-1m/ratings.dat", "1::1::5::100\n1::2::3::200\n")
        bundle.writestr("ml-1m/movies.dat", "1::Caf\xe9 (1990)::Drama\n2::B (1991)::War\n".encode("latin-1"))
    url = (tmp_path / "served" / "ml.zip").as_uri()
    with pytest.raises(DamagedError, match="has SHA-256"):
        prepare(source(url=url, sha256="0" * 64), given=None, folder=Path("data/ml"), cache=Path("cache"))
    assert list(Path("cache").glob("[!.]*")) == []
    from sasrec_llm.durable import sha256

    right = source(url=url, sha256=sha256(tmp_path / "served" / "ml.zip"))
    assert prepare(right, given=None, folder=Path("data/ml"), cache=Path("cache")).kept == 2
    assert [row[2] for row in rows(Path("data/ml"), "items")] == ["Café (1990)", "B (1991)"]
    (tmp_path / "served" / "ml.zip").unlink()
    assert prepare(right, given=None, folder=Path("data/ml"), cache=Path("cache")).kept == 2, "from the cache"
    with pytest.raises(StorageError, match="cannot download"):
        prepare(source(url=url, sha256="1" * 64), given=None, folder=Path("data/y"), cache=Path("other"))


def test_the_demo_is_deterministic_and_shaped_as_promised(demo_folder: Path, builtins: Plugins, tmp_path: Path) -> None:
    again = prepare(builtins.get("sources", "demo"), given=None, folder=tmp_path / "demo", cache=tmp_path)
    card = read_card(demo_folder)
    assert again.sha256 == card.sha256
    assert card.kept == 20_000
    assert 480 <= card.users <= 500
    assert 380 <= card.items <= 400
    assert 0.4 < card.liked_share < 0.65
    titles = [str(row[2]) for row in rows(demo_folder, "items")]
    assert len(set(titles)) == len(titles)
    words = {word for group in demo_data.GENRES.values() for word in group}
    assert all(words & set(title.replace(",", "").split()) for title in titles), "every title carries its genre"
    counts = np.sort(np.bincount([int(str(row[1])) for row in rows(demo_folder, "interactions")])[1:])[::-1]
    assert counts[:40].sum() > 0.25 * counts.sum(), "some films are famous"
