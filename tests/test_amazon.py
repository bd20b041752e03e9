"""Review files in the form of each release: fields, text, broken and hostile lines, downloads."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from sasrec_llm.cli.app import app
from sasrec_llm.data import amazon, lines
from sasrec_llm.data.card import Card, read_card
from sasrec_llm.data.database import connect
from sasrec_llm.data.own import OwnData
from sasrec_llm.data.prepare import prepare
from sasrec_llm.errors import DamagedError, DataError, StorageError, UsageError
from sasrec_llm.plugins import Plugins

DAY = 86_400
FIRST = 1_400_000_000


def write(name: str, found: Sequence[object], python: bool = False) -> Path:
    """Objects, or lines as they are, one a line, gzipped if the name says so."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join((line if isinstance(line, str) else (repr if python else json.dumps)(line)) + "\n" for line in found)
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if name.endswith(".gz") else text.encode())
    return path


def reviews(n: int = 60) -> list[dict[str, Any]]:
    """As in 2014 and 2018."""
    return [
        {
            "reviewerID": f"A{i % 7}", "asin": f"B{i % 11:03}", "reviewText": "it's \"fine\"", "overall": 1.0 + i % 5,
            "unixReviewTime": FIRST + i // 2 * DAY, "helpful": [0, i], "style": {"Size:": "1"} if i % 2 else {},
        }
        for i in range(n)
    ]  # fmt: skip


def run(builtins: Plugins, given: Path | None, name: str = "amazon", threads: int | None = None, **own: object) -> Card:
    return prepare(
        builtins.get("sources", name),
        given=given,
        folder=Path("data") / f"{name}-{threads or 0}",
        cache=Path("cache"),
        own=OwnData.model_validate(own),
        threads=threads,
    )


def table(name: str, folder: str = "data/amazon-0") -> list[tuple[Any, ...]]:
    with connect() as connection:
        return connection.execute("SELECT * FROM read_parquet(?)", [f"{folder}/{name}.parquet"]).fetchall()


def test_2014_reviews_as_json_and_items_as_python(builtins: Plugins) -> None:
    write("raw/reviews_Beauty_5.json.gz", [*reviews(), "{broken", "", '["no", "object"]', reviews(1)[0]])
    about = [
        {"asin": "B000", "title": "Tom &amp; Jerry&#39;s  \n Soap", "brand": "L'Or\xe9al", "price": 3.5,
         "categories": [["Beauty", "Bath & Body", "Soap"], ["Other"]], "description": 'He said "it\'s &lt;good&gt;"'},
        {"asin": "B001", "imUrl": "x"},
        "{'asin': 'B002', 'title': __import__('os').system('touch hacked')}",
        "{'asin': 'B003', 'title': 'cut off",
        {"asin": "B004", "title": "   "},
        {"asin": "B005", "title": "a \\ b\tc"},
        {"asin": "B005", "title": "a later line", "brand": "Later"},
        {"asin": "UNKNOWN", "title": "nobody bought it"},
    ]  # fmt: skip
    write("raw/meta_Beauty.json.gz", about, python=True)
    card = run(builtins, Path("raw"))
    assert (card.read, card.kept, card.merged, card.quarantined) == (63, 60, 1, 2)
    assert card.quarantine == {"not an object of this format": 2}
    assert card.lost_items == 2
    assert not Path("hacked").exists(), "a line of the file was run"
    items = {row[1]: row[2:] for row in table("items")}
    assert items["B000"] == (
        "Tom & Jerry's Soap", "L'Or\xe9al", "Beauty > Bath & Body > Soap", 'He said "it\'s <good>"'
    )  # fmt: skip
    assert items["B001"] == ("B001", None, None, None)
    assert items["B002"] == ("B002", None, None, None)
    assert items["B004"][0] == "B004"
    assert items["B005"] == ("a \\ b c", "Later", None, None)
    assert card.untitled == 9
    assert card.described == {"title": 2, "brand": 2, "category": 1, "description": 1}
    assert "texts" in dict(card.lines())
    rejected = [(row[0], row[1], row[2]) for row in table("rejects")]
    assert ("items", 3, lines.BROKEN) in rejected
    assert ("interactions", 61, lines.BROKEN) in rejected


def test_2018_lists_and_pages_for_titles(builtins: Plugins) -> None:
    write("raw/All_Beauty.json.gz", reviews())
    about = [
        {"asin": "B000", "title": "Soap", "brand": "", "category": [], "main_cat": "All Beauty", "description": []},
        {"asin": "B001", "title": "<script>var t = new Date().getTime();", "brand": "Acme", "category": ["A", "B"]},
        {"asin": "B002", "title": "Cream", "description": ["one", "two"], "category": None},
    ]
    write("raw/meta_All_Beauty.json.gz", about)
    card = run(builtins, Path("raw"), category="All_Beauty")
    assert (card.kept, card.quarantined, card.lost_items) == (60, 0, 0)
    items = {row[1]: row[2:] for row in table("items")}
    assert items["B000"] == ("Soap", None, "All Beauty", None)
    assert items["B001"] == ("B001", "Acme", "A > B", None)
    assert items["B002"] == ("Cream", None, None, "one two")


def test_2023_milliseconds_and_parents(builtins: Plugins) -> None:
    found = [
        {"user_id": row["reviewerID"], "asin": f"variant {i}", "parent_asin": row["asin"], "rating": row["overall"],
         "timestamp": row["unixReviewTime"] * 1000 + 123, "title": "the review's own title"}
        for i, row in enumerate(reviews())
    ]  # fmt: skip
    write("raw/Digital_Music.jsonl.gz", found)
    about = [{"parent_asin": "B000", "title": "CD", "store": "A Band", "main_category": "Music", "categories": []}]
    write("raw/meta_Digital_Music.jsonl.gz", about)
    card = run(builtins, Path("raw"))
    assert (card.kept, card.items) == (60, 11)
    assert {row[4] for row in table("interactions")} == {FIRST + i * DAY for i in range(30)}
    assert {row[1]: row[2:] for row in table("items")}["B000"] == ("CD", "A Band", "Music", None)
    assert card.liked_share == pytest.approx(0.4)
    assert run(builtins, Path("raw"), like_at=5).liked_share == pytest.approx(0.2)


def test_ratings_alone(builtins: Plugins) -> None:
    found = [f"{row['reviewerID']},{row['asin']},{row['overall']},{row['unixReviewTime']}" for row in reviews()]
    write("raw/ratings_Beauty.csv", [*found, "A1,B001,5.0"])
    card = run(builtins, Path("raw"))
    assert (card.read, card.kept, card.quarantine, card.untitled) == (61, 60, {"missing columns": 1}, 11)


def test_every_form_of_the_same_reviews_gives_the_same_rows(builtins: Plugins) -> None:
    write("json/Beauty.json", reviews())
    write("python/reviews_Beauty.json.gz", reviews(), python=True)
    write("zipped/Beauty_5.json.gz", reviews())
    hashes = {run(builtins, Path(name)).hashes["interactions"] for name in ("json", "python", "zipped")}
    assert len(hashes) == 1


@pytest.mark.parametrize("python", [True, False])
def test_the_same_bytes_for_any_number_of_threads(builtins: Plugins, python: bool) -> None:
    """All in three seconds, so that only the order of the file tells rows apart."""
    found = [row | {"unixReviewTime": FIRST + i % 3, "asin": f"B{i}"} for i, row in enumerate(reviews(3_000))]
    write("raw/Beauty.json", found, python)
    about = [{"asin": f"B{i % 2_500}", "title": f"Title &amp; {i}", "description": [f"{i}"]} for i in range(3_000)]
    write("raw/meta_Beauty.json", about, python)
    assert len({run(builtins, Path("raw"), threads=threads).sha256 for threads in (1, 2, 4)}) == 1
    assert {row[1]: row[2] for row in table("items", "data/amazon-4")}["B2499"] == "Title & 2499"


def test_what_is_in_the_folder_decides(builtins: Plugins) -> None:
    with pytest.raises(DataError, match=r"holds no review file such as"):
        run(builtins, Path())
    write("raw/sub/reviews_Baby_5.json.gz", reviews())
    write("raw/meta_Beauty.json.gz", [])
    assert amazon.find_reviews(Path("raw"), None)[1] == "Baby"
    assert amazon.plan(OwnData(), Path("raw")).name == "amazon-baby"
    write("raw/Home_and_Kitchen.jsonl.gz", reviews())
    with pytest.raises(DataError, match=r"several review files: Home_and_Kitchen.jsonl.gz, reviews_Baby_5.json.gz"):
        run(builtins, Path("raw"))
    assert amazon.plan(OwnData(category="Home_and_Kitchen"), Path("raw")).name == "amazon-home-and-kitchen"
    with pytest.raises(DataError, match=r"of category 'Beauty'.*it holds Baby, Home_and_Kitchen"):
        run(builtins, Path("raw"), category="Beauty")
    assert run(builtins, Path("raw/sub/reviews_Baby_5.json.gz")).kept == 60


def test_a_file_that_is_no_gzip_or_cut_off_says_so(builtins: Plugins) -> None:
    path = write("raw/Beauty.json.gz", reviews())
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises((DataError, StorageError)):
        run(builtins, Path("raw"))
    path.write_bytes(b"no gzip")
    with pytest.raises((DataError, StorageError)):
        run(builtins, Path("raw"))
    assert not Path("data/amazon-0").exists()


def test_a_period_and_the_first_ids(builtins: Plugins) -> None:
    write("raw/Beauty.json", reviews())
    card = run(builtins, Path("raw"), since="2014-05-18", until="2014-06-02")  # FIRST is 2014-05-13
    assert card.quarantine == {"before the period": 10, "after the period": 20}
    assert card.kept == 30
    assert dict(card.lines())["period"] == "from 2014-05-18 until before 2014-06-02"
    card = run(builtins, Path("raw"), max_id=3)
    assert (card.users, card.items) == (3, 3)
    assert {row[1] for row in table("users")} == {"A0", "A1", "A2"}
    assert {row[1] for row in table("items")} == {"B000", "B001", "B002"}
    assert card.quarantine == {"user id above the largest": 33, "item id above the largest": 18}
    assert card.kept == 9


def test_downloads_are_trusted_once_and_held_to_it(
    builtins: Plugins, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    served = write("served/reviews_Beauty_5.json.gz", reviews()).resolve()
    write("served/meta_Beauty.json.gz", [{"asin": "B000", "title": "it's"}], python=True)
    urls = (served.parent.as_uri() + "/reviews_{0}_5.json.gz", served.parent.as_uri() + "/meta_{0}.json.gz")
    monkeypatch.setitem(amazon.RELEASES, "2014", urls)
    with pytest.raises(UsageError, match="which Amazon category"):
        run(builtins, None)
    card = run(builtins, None, category="Beauty", release="2014")
    assert (card.kept, card.untitled) == (60, 10)
    assert list(card.downloads) == [url.format("Beauty") for url in urls]
    assert "has no published checksum" in dict(card.lines())["download"]
    assert sum("has no published checksum" in text for text in caplog.messages) == 2
    cached = next(Path("cache").rglob("reviews_Beauty_5.json.gz"))
    served.unlink()
    assert run(builtins, None, category="Beauty", release="2014").downloads == card.downloads, "from the cache"
    cached.write_bytes(b"damaged")
    write("served/reviews_Beauty_5.json.gz", reviews(50))
    with pytest.raises(DamagedError, match="not what came the first time") as caught:
        run(builtins, None, category="Beauty", release="2014")
    assert "reviews_Beauty_5.json.gz.sha256" in caught.value.hint
    write("served/reviews_Beauty_5.json.gz", reviews())
    assert run(builtins, None, category="Beauty", release="2014").downloads == card.downloads, "mended"
    with pytest.raises(StorageError, match="cannot download"):
        run(builtins, None, category="Nonsense", release="2014")


class CutOff(BaseHTTPRequestHandler):
    """A server that promises more than it sends."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(gzip.compress(b"x"))

    def log_message(self, *_: object) -> None:
        pass


def test_what_is_no_whole_file_is_not_trusted(builtins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPServer(("127.0.0.1", 0), CutOff) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/reviews_{{0}}_5.json.gz"
        monkeypatch.setitem(amazon.RELEASES, "2014", (url, url))
        with pytest.raises(StorageError, match="cut off after 21 of 1,000 bytes"):
            run(builtins, None, category="Beauty", release="2014")
        server.shutdown()
    page = write("page.json.gz", reviews())
    page.write_text("<html>Please fill in this form")
    monkeypatch.setitem(amazon.RELEASES, "2014", (page.resolve().as_uri(),) * 2)
    with pytest.raises(StorageError, match="what came is no gzip file"):
        run(builtins, None, category="Beauty", release="2014")
    assert not [path for path in Path("cache").rglob("[!.]*") if path.is_file()]


def test_steam_has_no_ratings(builtins: Plugins) -> None:
    found = [
        f"{{u'username': u'Chaos Syren {i % 5}', u'hours': 0.1, u'product_id': u'{725280 + i % 9}', u'page': 1, "
        f"u'date': u'2017-12-{1 + i % 28:02}', u'text': u'It\\'s caf\\xe9 \\u2026', u'early_access': False}}"
        for i in range(50)
    ]
    write("raw/steam_reviews.json.gz", [*found, "{u'username': u'x', u'text': u'no game', u'date': u'2017-12-01'}"])
    games = [
        {
            "id": "725280",
            "app_name": "Lost &amp; Found",
            "title": "x",
            "developer": "Koto",
            "genres": ["Action", "RPG"],
        },
        {"id": "725281", "title": "Only a title", "genres": [], "tags": ["RPG"]},
        {"id": "725282", "app_name": None, "title": None},
    ]
    write("raw/steam_games.json.gz", games, python=True)
    card = run(builtins, Path("raw"), "steam")
    assert (card.read, card.kept, card.quarantine, card.rated) == (51, 50, {"no item": 1}, False)
    assert (card.users, card.items, card.liked_share) == (5, 9, 1.0)
    assert card.span == "2017-12-01 to 2017-12-28"
    items = {row[1]: row[2:5] for row in table("items", "data/steam-0")}
    assert items["725280"] == ("Lost & Found", "Koto", "Action, RPG")
    assert items["725281"] == ("Only a title", None, "RPG")
    assert items["725282"] == ("725282", None, None)
    with pytest.raises(DataError, match=r"holds no steam_reviews\.json\.gz"):
        run(builtins, Path("data"), "steam")


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=25, deadline=None)
@given(found=st.lists(st.tuples(st.text(max_size=20), json_like, st.text(max_size=30)), min_size=1, max_size=8))
def test_python_lines_are_read_like_json_lines(
    found: list[tuple[str, object, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any text, any other field, and lines of rubbish between."""
    folder = tmp_path_factory.mktemp("lines")
    objects = [{"asin": f"B{i}", "title": title, "other": other} for i, (title, other, _) in enumerate(found)]
    rubbish = [" ".join(("x " + text).split()) for _, _, text in found]
    tables = []
    for name, put in (("json", json.dumps), ("python", repr)):
        text = "".join(f"{put(object_)}\n{line}\n" for object_, line in zip(objects, rubbish, strict=True))
        (folder / name).write_text(text, encoding="utf-8")
        with connect(folder / "spill") as connection:
            connection.execute("CREATE TABLE rejected (file VARCHAR, line BIGINT, reason VARCHAR, text VARCHAR)")
            lines.read_lines(connection, "found_items", folder / name, {"asin": "VARCHAR", "title": "VARCHAR"})
            tables.append(connection.execute("SELECT * FROM found_items ORDER BY line").fetchall())
            assert connection.execute("SELECT count(*) FROM rejected").fetchone() == (len(rubbish),)
    assert tables[0] == tables[1]
    assert [row[1] for row in tables[0]] == [f"B{i}" for i in range(len(found))]


@pytest.mark.parametrize(
    "line",
    [
        "__import__('os').system('touch hacked')",
        "{'asin': open('hacked', 'w')}",
        "{'asin': (lambda: 1)()}",
        "[c for c in ().__class__.__base__.__subclasses__()]",
        "[" * 100_000,
        "-" * 100_000 + "1",
        "{'asin': " + "1+" * 50_000 + "1}",
        "{'asin': 'x'" + " " * 2**20 + "}",
        "{'asin': 'a\\ud800'}",
        "{'asin': 1e999}",
        "{'asin': b'x'}",
        "{'asin': '\0'}"[:-1],
        "9" * 5_000,
        "f'{1}'",
    ],
    ids=lambda line: line[:20],
)
def test_hostile_lines_are_rejects(builtins: Plugins, line: str) -> None:
    write("raw/Beauty.json", reviews())
    write("raw/meta_Beauty.json", ["{'asin': u'B001', 'title': 'first'}", line, "{'asin': 'B000', 'title': 'last'}"])
    card = run(builtins, Path("raw"))
    assert (card.lost_items, card.untitled) == (1, 9)
    assert not Path("hacked").exists()


def test_the_command_line_names_the_dataset() -> None:
    write("raw/reviews_Beauty_5.json.gz", reviews())
    run_ = CliRunner().invoke
    done = run_(app, ["data", "prepare", "amazon", "--from", "raw", "--max-id", "4", "--since", "2014-05-01"])
    assert done.exit_code == 0, done.output
    assert read_card(Path("data/amazon-beauty")).max_id == 4
    for arguments, text in (
        (["amazon", "--from", "raw", "--user", "reviewerID"], "--user says nothing of amazon"),
        (["amazon", "--from", "nowhere"], "there is no nowhere"),
        (["amazon", "--category", "../x", "--release", "2014"], "--category: "),
        (["amazon", "--category", "Beauty", "--release", "2015"], "--release: "),
        (["ml-1m", "--category", "Beauty"], "--category says nothing of ml-1m"),
    ):
        done = run_(app, ["data", "prepare", *arguments])
        assert isinstance(done.exception, (UsageError, DataError))
        assert text in str(done.exception)
