"""Preparing on a Ray cluster: the same bytes as in one process, whatever is lost on the way."""

from __future__ import annotations

import os
import socket
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sasrec_llm.data import shards
from sasrec_llm.data.own import OwnData, own_source
from sasrec_llm.data.prepare import prepare
from sasrec_llm.data.shards import Shard
from sasrec_llm.errors import StorageError, UsageError
from sasrec_llm.ray.cluster import connect, cores

pytest.importorskip("ray", reason="ray is not installed")
LINES = [f"u{i % 17},i{i * i % 11},{1 + i % 5},{1_000_000 * (i // 3)}" for i in range(300)]


@pytest.fixture
def given(tmp_path: Path) -> Path:
    path = tmp_path / "own.csv"
    path.write_text("\n".join(["user,item,rating,timestamp", *LINES, *LINES[:9], "u1,,3,7"]) + "\n", encoding="utf-8")
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "costs.json"}


def test_two_machines_prepare_the_same_bytes(ray_cluster: str, given: Path, srl: Any) -> None:
    options = ("--min-user", "17", "--min-item", "20", "--max-id", "15", "--since", "1970-02-01")
    written = []
    for engine in (("local",), (f"ray://{ray_cluster}",), (f"ray://{ray_cluster}", "--shards", "5")):
        done = srl("data", "prepare", given, *options, "--engine", *engine)
        assert done.code == 0, done.err
        written.append(files(Path("data/own")))
    assert cores() == 2
    assert written[0] == written[1] == written[2]


def where(shard: Shard) -> str:
    import ray

    time.sleep(0.5)  # so that one machine does not do both
    return str(ray.get_runtime_context().get_node_id())


def check_and_die_once(shard: Shard, before: Path) -> Any:
    found = shards.check(shard)
    if not before.exists():
        before.touch()
        os._exit(1)
    return found


def test_a_task_that_dies_is_done_again(ray_cluster: str, given: Path, tmp_path: Path) -> None:
    connect(f"ray://{ray_cluster}")
    from sasrec_llm.ray.tasks import on_cluster

    nodes: set[str] = set()

    def unlucky(step: Any, of: Any) -> list[Any]:
        nodes.update(on_cluster(where, of))
        if step is shards.check:
            step = partial(check_and_die_once, before=tmp_path / "died")
        return on_cluster(step, of)

    places = {"given": given, "cache": tmp_path, "own": OwnData(min_user=17)}
    prepare(own_source("own"), folder=tmp_path / "one" / "own", **places)
    prepare(own_source("own"), folder=tmp_path / "two" / "own", **places, shards=2, each=unlucky)
    assert (tmp_path / "died").exists()
    assert len(nodes) == 2
    assert files(tmp_path / "one" / "own") == files(tmp_path / "two" / "own")


def test_errors_are_ours_wherever_they_happen(ray_cluster: str, given: Path, srl: Any) -> None:
    done = srl(
        "data", "prepare", given, "--order", "timestamp", "--since", "1970-02-01", "--engine", "ray://" + ray_cluster
    )
    assert done.code == 2
    assert "--since and --until need times" in done.err
    assert "Traceback" not in done.err
    assert not Path("data/own").exists()


def test_a_cluster_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="unknown engine 'rya'"):
        connect("rya")
    for address in ("ray://", "ray://head", "ray://:7", "ray://head:x"):
        with pytest.raises(UsageError, match="is no address"):
            connect(address)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(StorageError, match=f"no Ray cluster answers at 127.0.0.1:{port}"):
        connect(f"ray://127.0.0.1:{port}")
    monkeypatch.setattr("sasrec_llm.ray.cluster.STATUS", 1)
    with socket.create_server(("127.0.0.1", 0)) as deaf, pytest.raises(StorageError, match="is not the head of"):
        connect(f"ray://127.0.0.1:{deaf.getsockname()[1]}")
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
    with pytest.raises(StorageError, match="no Ray cluster answers"):
        connect("ray")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="needs Ray") as caught:
        connect("ray")
    assert caught.value.hint == "pip install 'sasrec-llm[ray]'"
