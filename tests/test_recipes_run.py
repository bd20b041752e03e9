"""Every recipe that is shipped runs to its table: on the demo data, small, two epochs of two steps."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from sasrec_llm.experiment import run
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.recipe.file import read_toml
from sasrec_llm.runs import Workspace

RECIPES = Path(__file__).parent.parent / "recipes"
FILES = sorted(path for path in RECIPES.glob("**/*.toml") if path.parent.name not in ("data", "suites"))
TINY = {"use": "tiny-llama", "width": 16, "layers": 1, "heads": 2, "vocabulary": 400, "pretrain_steps": 2}


def small(table: dict[str, Any]) -> dict[str, Any]:
    """The recipe on the demo data, with a small language model and little training."""
    protocol = table["data"].get("protocol", "temporal")
    data = {"use": "demo", "protocol": {"collm": "temporal", "session": "leave-one-out"}.get(protocol, protocol)}
    few = {"epochs": 2, "epoch_steps": 2, "batch_size": 16, "valid_rows": 20}
    stages = {name: {**stage, **few} for name, stage in table.get("stages", {}).items()}
    made = {**table, "data": data, "stages": stages}
    if "encoder" in made and "width" in made["encoder"]:
        made["encoder"] = {**made["encoder"], "width": 16}
    if "backbone" in made:
        kept = {key: made["backbone"][key] for key in ("lora",) if key in made["backbone"]}
        made["backbone"] = {**TINY, **kept}
    if "strategy" in made:
        fewer = {"titles": 2, "candidates": 3, "shots": 2, "pca": 8}
        made["strategy"] |= {key: value for key, value in fewer.items() if key in made["strategy"]}
    return made


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(RECIPES)) for path in FILES])
def test_a_recipe_says_what_it_is_and_runs(
    path: Path,
    few_folder: Path,
    workspace: Path,
    builtins: Plugins,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert f"srl run recipes/{path.relative_to(RECIPES)}" in text
    shutil.copytree(few_folder, workspace / "data" / "demo")
    place = Workspace(workspace / "data", workspace / "runs", tmp_path_factory.getbasetemp() / "cache")
    table = small(read_toml(path, builtins))
    for member in table["strategy"].get("runs", []):
        made: dict[str, Any] = {
            "name": member,
            "data": table["data"],
            "encoder": {"use": "item-mean" if table["data"]["protocol"] == "temporal" else "markov"},
            "strategy": {"use": "encoder-only"},
            "stages": {"fit": {"objective": "fit", "train": ["encoder"]}},
        }
        run(check_recipe(made, "test", builtins), "# test", place, builtins)
    outcome = run(check_recipe(table, str(path), builtins), text, place, builtins)
    figures = outcome.tables["test"][0].values(table["name"])
    assert any(value is not None for value in figures.values())
    assert len(outcome.tables["test"][0].systems) >= 3, "floors stand beside it"
    assert "@EXPECT@" not in text, "the figure that is to be expected"
