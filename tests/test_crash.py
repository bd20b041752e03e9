"""Runs that are killed, and writes that fail. `benchmarks/` does the same many times over; see docs/reliability.md."""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

needs_fork = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the harness reads /proc")


def in_process(name: str, *arguments: str) -> dict[str, Any]:
    """Where nothing is killed, the seconds of a start are saved."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setattr(sys, "argv", [name, *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / "benchmarks" / name), run_name="__main__")
    assert not ended.value.code
    return json.loads(printed.getvalue().splitlines()[-1])  # type: ignore[no-any-return]


def benchmark(name: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, ROOT / "benchmarks" / name, *arguments]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


@needs_fork
def test_a_killed_run_ends_with_the_same_bytes() -> None:
    found = benchmark("crash.py", "--kills", "4", "--seed", "4747", "--short")
    assert found["equal"] == found["kills"] == 4


@needs_fork
def test_a_write_that_fails_loses_nothing() -> None:
    found = benchmark("faults.py", "--faults", "4", "--short")
    assert (found["faults"], found["wrong"]) == (4, 0)


def test_a_changed_recipe_is_a_recipe_or_names_its_keys() -> None:
    found = in_process("fuzz_recipes.py", "--count", "400")
    assert (found["recipes"], found["wrong"]) == (400, 0)
    assert found["ended"]["planned"] > 0


def test_a_file_that_nobody_should_have_written_adds_up_or_is_refused() -> None:
    found = in_process("fuzz_data.py", "--count", "60")
    assert (found["files"], found["wrong"]) == (60, 0)
    assert found["ended"]["prepared"] > 0
