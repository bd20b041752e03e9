"""TAB, through the protocol that shells speak."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sasrec_llm.cli.completion import plugin_names
from tests.conftest import ROOT

HEAVY = ("torch", "transformers", "duckdb", "numpy", "matplotlib")
CODE = """
import json, sys
sys.argv = ["srl"]
from sasrec_llm.__main__ import main
try:
    main()
finally:
    sys.stderr.write(json.dumps([name for name in {heavy!r} if name in sys.modules]))
"""


@pytest.fixture
def tab(srl: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What bash offers behind a line."""

    def offered(line: str) -> list[str]:
        words = line.split(" ")
        monkeypatch.setenv("_SRL_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        done = srl()
        assert (done.code, done.err) == (0, "")
        return done.out.split()

    return offered


@pytest.fixture
def place(reported: dict[str, Path], workspace: Path) -> Path:
    base = reported["likes"].parent.parent
    shutil.copytree(base / "data", workspace / "data")
    for name in ("likes", "next"):
        to = shutil.copytree(reported[name], workspace / "runs" / f"2026-11-21-{name}-00000a")
    (to / "metrics.json").unlink()  # the last one is not finished
    (workspace / "runs" / ".2026-11-21-likes-00000a.lock").touch()
    (workspace / "mine.toml").touch()
    (workspace / "sales.csv").touch()
    return workspace


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("srl run qui", ["quickstart"]),
        ("srl run next_item/s", ["next_item/sasrec", "next_item/sknn"]),
        ("srl run mi", ["mine.toml", "mixed_warmup"]),
        ("srl run ./mi", []),  # the shell offers files
        ("srl tune sasrec_", ["sasrec_search"]),
        ("srl bench quick", ["quickstart"]),
        ("srl recipes validate quickstart floo", ["floors"]),
        ("srl recipes show suites/ml1m_", ["suites/ml1m_next_item"]),
        ("srl recipes cp data/", ["data/beauty", "data/books"]),
        ("srl recipes diff sasrec 2026", ["2026-11-21-likes-00000a", "2026-11-21-next-00000a"]),
        ("srl eval ", ["2026-11-21-likes-00000a", "likes"]),
        ("srl compare likes li", ["likes"]),
        ("srl report li", ["likes"]),
        ("srl eval --data d", ["demo"]),
        ("srl eval --split wa", ["warm", "warm-3"]),
        ("srl runs show n", ["next"]),
        ("srl runs rm likes 2026-11-21-n", ["2026-11-21-next-00000a"]),
        ("srl data show ", ["demo"]),
        ("srl data prepare s", ["sales.csv", "steam"]),
        ("srl data prepare bea", ["beauty"]),
        ("srl components enc", ["encoders"]),
        ("srl recipes l", ["ls"]),
    ],
)
def test_names_are_offered(tab: Any, place: Path, line: str, offered: list[str]) -> None:
    assert tab(line) == offered


def test_plugins_are_offered_by_name() -> None:
    assert plugin_names("built") == ["builtin"]


def test_where_there_is_nothing_there_is_no_error(tab: Any, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tab("srl eval ") == []
    monkeypatch.setenv("SRL_RUNS", "/dev/null")
    assert tab("srl runs show x") == []


def test_it_reads_nothing_heavy(place: Path) -> None:
    for line in ("srl runs show ", "srl run ", "srl data prepare ", "srl eval --data "):
        words = {"_SRL_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        done = subprocess.run(
            [sys.executable, "-c", CODE.format(heavy=HEAVY)],
            capture_output=True, text=True, timeout=60, check=True, cwd=place,
            env={**os.environ, **words, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.stdout.strip(), line
        assert json.loads(done.stderr) == [], line
