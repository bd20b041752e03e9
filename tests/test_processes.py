"""One process and two: the same bytes; 37 rows asked 37 times; and a process that is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sasrec_llm import processes
from sasrec_llm.data.interactions import Interactions
from sasrec_llm.devices import Device
from sasrec_llm.evaluation.examiner import Examiner
from sasrec_llm.evaluation.scoring import LikeTask
from sasrec_llm.interfaces import Examples, Sequences
from sasrec_llm.plugins import Plugins
from sasrec_llm.train.slices import Gradient
from tests.sliced_run import kept, one_process, srl, trains, wait_for

BIAS = """
name = "bias"
[data]
use = "demo"
[encoder]
use = "bias-regression"
[strategy]
use = "encoder-only"
[stages.fit]
objective = "fit"
train = ["encoder"]
[evaluate]
floors = []
"""
WITHIN = 60  # seconds from a kill to the end of the command
CPU = Device("cpu", False)


@pytest.fixture(scope="module")
def place(few_folder: Path, builtins: Plugins, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace, in which one process has run the recipe."""
    return one_process(few_folder, tmp_path_factory.mktemp("processes"), builtins)


def children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True)
    return [int(line) for line in found.stdout.split()]


def test_two_agents_of_torchrun_as_on_two_machines_leave_what_one_process_leaves_and_one_speaks(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"127.0.0.1:{taken.getsockname()[1]}"
    agents = ("--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", "--rdzv-id=srl", f"--rdzv-endpoint={endpoint}")
    run = (*agents, "-m", "sasrec_llm", "run", "sliced.toml", "--json")
    commands = [srl(place, "two", *run, module="torch.distributed.run") for _ in range(2)]
    out, prose = map("".join, zip(*(command.communicate() for command in commands), strict=True))
    assert [command.returncode for command in commands] == [0, 0], prose
    assert json.loads(out)["test"] == kept(place / "one")["metrics"]["test"]
    assert prose.count("1 encoder") == 1
    assert kept(place / "two") == kept(place / "one")


def test_a_killed_process_ends_all_and_the_same_command_goes_on(place: Path) -> None:
    """benchmarks/lost.py kills either of them, and who started them, at any moment."""
    runs = "killed"
    command = srl(place, runs, "run", "sliced.toml", "--nproc", "2")
    wait_for(lambda: trains(place / runs), running=lambda: command.poll() is None)
    killed = time.monotonic()
    os.kill(sorted(children(command.pid))[1], signal.SIGKILL)
    _, prose = command.communicate(timeout=WITHIN)
    assert time.monotonic() - killed < WITHIN
    assert command.returncode == 75
    assert "process 1 of" in prose
    assert "SIGKILL" in prose
    assert "Traceback" not in prose
    again = srl(place, runs, "run", "sliced.toml", "--nproc", "2")
    _, prose = again.communicate()
    assert again.returncode == 0, prose
    assert kept(place / runs) == kept(place / "one")


def test_a_suite_is_told_once_and_so_is_the_error_of_all_in_it(place: Path) -> None:
    (place / "bias.toml").write_text(BIAS, encoding="utf-8")
    (place / "broken.toml").write_text('extends = "sliced.toml"\nname = "broken"\n[stages.encoder]\nlr = 1e30\n')
    (place / "pair.toml").write_text('name = "pair"\nrecipes = ["bias.toml", "broken.toml"]\n')
    command = srl(place, "failed", "run", "pair.toml", "--nproc", "2")
    out, prose = command.communicate()
    assert command.returncode == 2, prose
    assert out.count("test, all") == 1
    assert out.count("\ntest, ") == out.count("\nbias ")
    assert prose.count("broken failed: stage encoder, step") == 1
    assert "Traceback" not in prose


class Asked:
    """Answers with a row's own number, and counts how often each is asked."""

    def __init__(self) -> None:
        self.count: dict[tuple[int, int], int] = {}

    def score(self, histories: Any, candidates: torch.Tensor) -> torch.Tensor:
        for user, item in zip(histories.users.tolist(), candidates[:, 0].tolist(), strict=True):
            self.count[user, item] = self.count.get((user, item), 0) + 1
        return histories.users[:, None] * 1000.0 + candidates


class MetError(Exception):
    """A process has come to where it would meet the others."""


def test_37_rows_are_asked_37_times(demo: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, examiner = demo.of("test")[:37], Examiner(LikeTask(demo, {}), CPU, 8)
    alone = examiner.answer(Asked(), rows, "one", 3)
    asked, parts = Asked(), []

    def meet(part: Any) -> Any:
        parts.append(part)
        raise MetError

    monkeypatch.setattr(processes, "count", lambda: 2)
    for rank in (0, 1):
        monkeypatch.setattr(processes, "rank", lambda rank=rank: rank)
        monkeypatch.setattr(processes, "gather", meet)
        with pytest.raises(MetError):
            examiner.answer(asked, rows, "two", 3)
    assert sum(asked.count.values()) == 37
    assert [len(part) for part in parts] == [3, 2]
    monkeypatch.setattr(processes, "gather", lambda _: parts)
    np.testing.assert_array_equal(examiner.answer(Asked(), rows, "two", 3).logits, alone.logits)


class Line(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([0.5, -1.0, 2.0]))


@pytest.mark.parametrize("slices", [1, 2, 3, 7, 40])
def test_slices_add_up_to_the_gradient_of_the_whole(slices: int) -> None:
    """Sequences of different lengths: slices count by their questions, not by their rows."""
    chance = np.random.default_rng(1)
    items = torch.from_numpy(chance.integers(1, 9, (7, 6)))
    items[torch.arange(6) < torch.arange(7)[:, None] % 5] = 0
    batch = Sequences(items, torch.arange(7), torch.arange(7))

    def loss(part: Examples | Sequences) -> torch.Tensor:
        assert isinstance(part, Sequences)
        asked = part.targets[part.targets != 0].float()
        return ((asked[:, None] * line.weight) ** 2).mean()

    found = []
    for count in (1, slices):
        line = Line()
        gradient = Gradient(loss=loss, parts=[line], slices=count, device=CPU)
        found.append((gradient(batch, seed=3), line.weight.grad))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-6)
    torch.testing.assert_close(found[1][1], found[0][1], rtol=1e-6, atol=1e-6)
