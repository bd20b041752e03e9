"""`srl score`: every user's list, once, whatever was there before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sasrec_llm.answering import lists
from sasrec_llm.answering.opening import load
from sasrec_llm.experiment import run
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.runs import Workspace

RECIPE = {
    "name": "next",
    "data": {"use": "demo", "protocol": "temporal", "task": "next-item"},
    "encoder": {"use": "sasrec", "width": 16, "heads": 2},
    "strategy": {"use": "encoder-only"},
    "stages": {"encoder": {"objective": "next-item", "train": ["encoder"], "epochs": 1, "epoch_steps": 4}},
    "evaluate": {"floors": []},
}


@pytest.fixture(scope="module")
def finished(few_folder: Path, builtins: Plugins, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("score")
    shutil.copytree(few_folder, folder / "data" / "demo")
    place = Workspace(folder / "data", folder / "runs", folder / "cache")
    run(check_recipe(RECIPE, "test", builtins), "# test", place, builtins, page=False)
    return folder


@pytest.fixture
def place(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where to write; files hold 25 users."""
    monkeypatch.chdir(finished)
    monkeypatch.setattr(lists.Order, "__init__", _of_25(lists.Order.__init__))
    return tmp_path / "lists"


def _of_25(init: Any) -> Any:
    return lambda self, *values, **named: init(self, *values, **{**named, "size": 25})


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_user_has_the_list_that_they_are_recommended(place: Path, srl: Any, builtins: Plugins) -> None:
    done = srl("score", "--users", "all", "-k", 3, "--to", place, "--json")
    assert done.code == 0, done.err
    rows = duckdb.sql(f"SELECT * FROM '{place}/*.parquet' ORDER BY \"user\", rank").fetchall()
    loaded = load(None, Workspace.from_environment(), builtins)
    assert {row[0] for row in rows} == set(loaded.users)
    assert len(rows) == 3 * len(loaded.users)
    assert json.loads(done.out)["files"].keys() == {path.name for path in place.glob("*.parquet")}
    for user in loaded.users[:5]:
        wanted = [(item.item, pytest.approx(item.score)) for item in loaded.recommend(user=user, k=3)]
        assert [(item, score) for other, _, item, score in rows if other == user] == wanted


def test_what_is_missing_or_damaged_is_done_again_and_nothing_else(
    place: Path, srl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert srl("score", "-k", 3, "--to", place).code == 0
    whole, files = bytes_of(place), sorted(place.glob("*.parquet"))
    files[0].unlink()
    files[2].write_bytes(files[2].read_bytes()[:-1] + b"?")
    (place / ".tmp-part-000001.parquet~x").write_bytes(b"half")
    done: list[int] = []
    write = lists.write_shard
    monkeypatch.setattr(
        lists, "write_shard", lambda order, number, loaded: done.append(number) or write(order, number, loaded)
    )
    found = srl("score", "-k", 3, "--to", place)
    assert found.code == 0, found.err
    assert done == [0, 2]
    assert bytes_of(place) == whole


def test_a_folder_with_other_lists_is_left_alone(place: Path, srl: Any) -> None:
    assert srl("score", "-k", 3, "--to", place).code == 0
    whole = bytes_of(place)
    done = srl("score", "-k", 4, "--to", place)
    assert done.code == 2
    assert "has other lists" in done.err
    assert bytes_of(place) == whole


def test_users_of_a_file_and_what_is_refused_before_anything_is_written(place: Path, srl: Any, tmp_path: Path) -> None:
    some = tmp_path / "some.txt"
    some.write_text("30\n\n7\n30\n", encoding="utf-8")
    assert srl("score", "--users", some, "-k", 2, "--to", place).code == 0
    found = duckdb.sql(f"SELECT \"user\", count(*) FROM '{place}/*.parquet' GROUP BY 1 ORDER BY 1").fetchall()
    assert found == [("30", 2), ("7", 2)]
    for text, said in (("30\nnobody\n", "1 of 2 users"), ("\n", "names no user")):
        some.write_text(text, encoding="utf-8")
        done = srl("score", "--users", some, "--to", tmp_path / "other")
        assert done.code == 2
        assert said in done.err
        assert not (tmp_path / "other").exists()
    done = srl("score", "-k", 1001, "--to", tmp_path / "other")
    assert done.code == 2
    assert "between 1 and 1,000" in done.err
    assert not (tmp_path / "other").exists()
    done = srl("score", "--users", tmp_path / "none.txt")
    assert done.code == 2
    assert "cannot be read" in done.err


def test_an_export_without_rows_knows_no_user(place: Path, srl: Any, tmp_path: Path) -> None:
    assert srl("export", "--to", tmp_path / "out").code == 0
    done = srl("score", tmp_path / "out", "--to", place)
    assert done.code == 2
    assert "--with-rows" in done.err
