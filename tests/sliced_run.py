"""A recipe whose steps are cut in two, and what must not depend on who works on them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sasrec_llm.durable import read_json
from sasrec_llm.experiment import run
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.file import load_recipe
from sasrec_llm.runs import Workspace

ROOT = Path(__file__).parent.parent
SLICED = """
name = "sliced"
seed = 7
[data]
use = "demo"
[encoder]
use = "sasrec"
width = 16
heads = 2
blocks = 1
max_length = 10
loss = "gbce"
sparse = true
[aligner]
use = "mlp"
expansion = 2
[backbone]
use = "tiny-llama"
width = 16
layers = 1
heads = 2
vocabulary = 400
pretrain_steps = 2
lora = { r = 2, targets = ["q_proj", "v_proj"] }
[strategy]
use = "token-mapping"
titles = 2
[evaluate]
batch_size = 37
floors = []
[stages.encoder]
objective = "like"
train = ["encoder"]
epochs = 4
epoch_steps = 40
batch_size = 33
slices = 2
[stages.warmup]
objective = "text"
train = ["lora"]
epochs = 1
epoch_steps = 4
batch_size = 9
slices = 2
[stages.joint]
objective = "hybrid"
train = ["encoder", "aligner", "lora"]
epochs = 1
epoch_steps = 4
batch_size = 9
slices = 2
"""


def one_process(data: Path, folder: Path, plugins: Plugins) -> Path:
    """A workspace with the recipe, and what one process leaves of it in `one`."""
    shutil.copytree(data, folder / "data" / "demo")
    (folder / "sliced.toml").write_text(SLICED, encoding="utf-8")
    workspace = Workspace(folder / "data", folder / "one", folder / "cache")
    run(load_recipe(folder / "sliced.toml", [], plugins), SLICED, workspace, plugins, page=False)
    return folder


def srl(place: Path, runs: str, *command: str, module: str = "sasrec_llm") -> subprocess.Popen[str]:
    own = {"SRL_DATA": "data", "SRL_RUNS": runs, "SRL_CACHE": "cache", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", module, *command],
        cwd=place,
        env={**os.environ, **own, "SRL_DISABLE_PLUGINS": "*"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kept(runs: Path) -> dict[str, Any]:
    """What must not depend on how many processes there were."""
    (folder,) = (path.parent for path in runs.glob("*/metrics.json"))
    files = [*folder.glob("stages/*/result/**/*.safetensors"), *folder.glob("**/predictions.parquet")]
    metrics = {key: read_json(folder / "metrics.json")[key] for key in ("test", "valid", "answers")}
    return {"metrics": metrics} | {str(path.relative_to(folder)): path.read_bytes() for path in files}


def wait_for(ready: Callable[[], bool], running: Callable[[], bool]) -> None:
    while not ready():
        assert running()
        time.sleep(0.05)


def trains(runs: Path) -> bool:
    return any("step" in path.read_text(encoding="utf-8") for path in runs.glob("*/log.jsonl"))
