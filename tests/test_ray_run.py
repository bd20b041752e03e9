"""Runs, evaluations, lists on a Ray cluster of two machines: what one process leaves, whatever is lost on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sasrec_llm.answering import lists
from sasrec_llm.answering.lists import Order
from sasrec_llm.plugins import Plugins, plugins
from sasrec_llm.ray.cluster import connect
from sasrec_llm.runs import Workspace
from tests.sliced_run import kept, one_process, trains, wait_for

pytest.importorskip("ray", reason="ray is not installed")


@pytest.fixture(scope="module")
def finished(few_folder: Path, builtins: Plugins, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace, in which one process has run the recipe."""
    return one_process(few_folder, tmp_path_factory.mktemp("ray"), builtins)


@pytest.fixture
def place(finished: Path, ray_cluster: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(finished)
    for name in ("data", "cache"):
        monkeypatch.setenv(f"SRL_{name.upper()}", name)
    monkeypatch.setenv("SRL_RUNS", "one")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("SRL_DISABLE_PLUGINS", "*")
    monkeypatch.setenv("RAY_ADDRESS", ray_cluster)
    return finished


def test_a_run_goes_on_without_a_worker_that_is_killed_and_leaves_what_one_process_leaves(
    place: Path, srl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRL_RUNS", "two")
    killed: list[int] = []

    def kill() -> None:
        wait_for(lambda: trains(place / "two"), running=lambda: True)
        listed = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
        workers = sorted(int(line.split()[0]) for line in listed.splitlines() if "RayTrainWorker" in line)
        killed.append(workers[-1])
        os.kill(workers[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    done = srl("run", "sliced.toml", "--engine", "ray", "--nproc", "2")
    assert done.code == 0, done.err
    assert killed
    assert "1 encoder" in done.err
    assert kept(place / "two") == kept(place / "one")


def test_an_evaluation_has_the_figures_of_one_process(place: Path, srl: Any) -> None:
    here, there = srl("eval", "--json"), srl("eval", "--json", "--engine", "ray", "--nproc", "2")
    assert there.code == 0, there.err
    assert there.out == here.out


def dies_once(order: Order, workspace: Workspace, before: Path) -> Callable[[int], str]:
    from sasrec_llm.ray.work import lister

    do = lister(order, workspace)

    def unlucky(number: int) -> str:
        if number == 2 and not before.exists():
            before.touch()
            os._exit(1)
        return do(number)

    return unlucky


def test_lists_have_the_bytes_of_one_process_although_a_worker_dies(place: Path, srl: Any, tmp_path: Path) -> None:
    from sasrec_llm.answering.opening import load
    from sasrec_llm.ray.mapping import map_on_cluster

    workspace = Workspace.from_environment().absolute()
    loaded = load(None, workspace, plugins(), candidates=10)
    orders = [
        Order(str(loaded.folder), 5, 10, tuple(loaded.users[:21]), tmp_path / engine, size=7)
        for engine in ("local", "ray")
    ]
    for number in lists.begin(orders[0], loaded):
        lists.write_shard(orders[0], number, loaded)
    connect("ray")
    map_on_cluster(dies_once, (orders[1], workspace, tmp_path / "died"), lists.begin(orders[1], loaded), 2)
    assert (tmp_path / "died").exists()
    assert lists.finish(orders[0]) == lists.finish(orders[1])
    assert [path.name for path in sorted(orders[0].folder.iterdir())] == [
        path.name for path in sorted(orders[1].folder.iterdir())
    ]
