"""Runs that are killed, and writes that fail. `benchmarks/` does the same many times over; see docs/reliability.md."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

needs_fork = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the harness reads /proc")


def benchmark(name: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, ROOT / "benchmarks" / name, *arguments]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


@needs_fork
def test_a_killed_run_ends_with_the_same_bytes() -> None:
    found = benchmark("crash.py", "--kills", "5", "--seed", "4747", "--short")
    assert found["equal"] == found["kills"] == 5


@needs_fork
def test_a_write_that_fails_loses_nothing() -> None:
    found = benchmark("faults.py", "--faults", "4", "--short")
    assert (found["faults"], found["wrong"]) == (4, 0)


def test_a_changed_recipe_is_a_recipe_or_names_its_keys() -> None:
    found = benchmark("fuzz_recipes.py", "--count", "150")
    assert (found["recipes"], found["wrong"]) == (150, 0)
    assert found["ended"]["planned"] > 0


def test_a_file_that_nobody_should_have_written_adds_up_or_is_refused() -> None:
    found = benchmark("fuzz_data.py", "--count", "30")
    assert (found["files"], found["wrong"]) == (30, 0)
    assert found["ended"]["prepared"] > 0
