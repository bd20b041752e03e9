"""`srl bench`: every hot path of a recipe is measured, and nothing is left behind."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from sasrec_llm.bench.pace import Pace
from sasrec_llm.cli.app import app
from sasrec_llm.errors import StoppedError

SMALL = """
name = "small"
[data]
use = "demo"
[encoder]
use = "sasrec"
width = 8
[aligner]
use = "mlp"
[backbone]
use = "tiny-llama"
width = 16
layers = 1
heads = 2
vocabulary = 400
pretrain_steps = 2
lora = {}
[strategy]
use = "token-mapping"
titles = 2
[stages.encoder]
objective = "like"
train = ["encoder"]
batch_size = 16
[stages.tune]
objective = "text"
train = ["lora"]
batch_size = 8
"""
RANKING = """
name = "ranking"
[data]
use = "demo"
protocol = "leave-one-out"
[encoder]
use = "sasrec"
width = 8
[backbone]
use = "tiny-llama"
width = 16
layers = 1
heads = 2
vocabulary = 400
pretrain_steps = 2
[strategy]
use = "llm2sequential"
[stages.encoder]
objective = "next-item"
train = ["encoder"]
batch_size = 16
"""


@pytest.mark.parametrize(
    ("recipe", "paths"),
    [
        (SMALL, ["training, stage encoder", "training, stage tune", "scoring"]),
        (RANKING, ["training, stage encoder", "scoring", "reading titles to vectors"]),
    ],
)
def test_every_path_of_a_recipe_is_measured(
    recipe: str, paths: list[str], few_folder: Path, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(few_folder, workspace / "data" / "demo")
    Path("mine.toml").write_text(recipe)
    app(["bench", "mine.toml", "--seconds", "0.2", "--json"], standalone_mode=False)
    found = {row["path"]: row for row in json.loads(capsys.readouterr().out)}
    assert {*paths, "matrix products, float32", "memory", "preparing a CSV"} <= found.keys()
    assert all(row["value"] > 0 and math.isfinite(row["value"]) for row in found.values())
    assert found["training, stage encoder"]["unit"] == ("rows/s" if recipe == SMALL else "sequences/s")
    assert not (workspace / "runs").exists(), "nothing is kept"
    app(["bench", "mine.toml", "--seconds", "0.2"], standalone_mode=False)
    assert "GFLOP/s" in capsys.readouterr().out


def test_a_pace_is_that_of_the_windows_after_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = np.cumsum([0.5, 0.5, *[0.1] * 98])  # slow at first
    monkeypatch.setattr("sasrec_llm.bench.pace.time.monotonic", map(float, moments).__next__)
    pace = Pace(5.0)
    assert math.isnan(pace.steps_per_second)
    for step in range(47):  # half a second, and five more
        pace.srl_logged(None, step, {})  # type: ignore[arg-type]
    with pytest.raises(StoppedError):
        pace.srl_logged(None, 47, {})  # type: ignore[arg-type]
    assert pace.steps_per_second == pytest.approx(10, rel=0.01)
