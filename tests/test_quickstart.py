"""What a newcomer runs first, as a newcomer runs it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

SHORTER = [  # and on a part of the data: what all of it gives is in docs/quickstart.md
    "--set=backbone.pretrain_steps=60", "--set=stages.warmup.epochs=1", "--set=stages.warmup.epoch_steps=80",
    "--set=stages.align.epochs=1", "--set=stages.align.epoch_steps=40", "--set=stages.joint.epoch_steps=15",
]  # fmt: skip


def newcomer(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sasrec_llm", *arguments]
    known = os.environ | {"SRL_CACHE": str(place / "cache"), "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=known, check=False)


def test_the_quick_start_ends_with_a_table_and_a_run(workspace: Path) -> None:
    assert newcomer(workspace, "data", "prepare", "demo", "--max-id", "150").returncode == 0
    done = newcomer(workspace, "run", str(ROOT / "recipes" / "quickstart.toml"), *SHORTER)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert re.search(r"quickstart +\.\d{4} \[\.\d{3}, \.\d{3}\] +\.\d{4}", done.stdout)
    (run,) = (workspace / "runs").glob("[!.]*")
    assert str(run.relative_to(workspace)) in done.stdout.splitlines()[-1]
    assert (run / "report.html").stat().st_size > 50_000
    metrics = json.loads((run / "metrics.json").read_text())
    systems = metrics["test"][0]["systems"]
    figures = {name: {key: found["value"] for key, found in own.items()} for name, own in systems.items()}
    assert systems["quickstart"]["auc"]["low"] < figures["quickstart"]["auc"] < systems["quickstart"]["auc"]["high"]
    assert min(figures[name]["auc"] for name in ("quickstart", "after encoder: like", "stacked")) > 0.6
    assert figures["after warmup: text"]["auc"] > 0.5, "words alone learn something"


def test_the_readmes_plugin_runs(srl: Any, few_folder: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python block of the README is a whole plugin: it is registered, checked and trained."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    assert len([line for line in block.splitlines() if line.strip()]) <= 25
    (workspace / "srl_recent.py").write_text(block)
    info = workspace / "srl_mine-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: srl-mine\nVersion: 0.1\n")
    (entry,) = re.findall(r"\[project.entry-points.srl\]\n(.*?)\n", readme)
    (info / "entry_points.txt").write_text("[srl]\n" + entry.replace('"', ""))
    recipe = textwrap.dedent(
        """
        name = "mine"
        [data]
        use = "demo"
        [encoder]
        use = "recent"
        [strategy]
        use = "encoder-only"
        [stages.fit]
        objective = "fit"
        train = ["encoder"]
        """
    )
    (workspace / "mine.toml").write_text(recipe)
    shutil.copytree(few_folder, workspace / "data" / "demo")
    monkeypatch.syspath_prepend(str(workspace))
    done = srl("run", "mine.toml")
    assert done.code == 0, done.err
    assert re.search(r"mine +\.\d{4}", done.out)
