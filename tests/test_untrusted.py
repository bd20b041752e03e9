"""What comes from elsewhere runs no code and leaves its folder nowhere."""

from __future__ import annotations

import ast
import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from sasrec_llm.backbones.llama import load
from sasrec_llm.backbones.settings import LoRASettings
from sasrec_llm.errors import DamagedError, RecipeError, SrlError
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.train.parts import load_part
from tests.conftest import ROOT
from tests.tiny_models import save_model, sentencepiece

SOURCES = sorted(ROOT.joinpath("sasrec_llm").rglob("*.py"))
NEVER = {"eval", "exec", "compile", "__import__"}
OF_MODULES = {("torch", "load"), ("pickle", "load"), ("pickle", "loads"), ("joblib", "load"), ("np", "load"),
              ("yaml", "load"), ("os", "system"), ("torch", "compile"), ("shutil", "unpack_archive")}  # fmt: skip


class Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """Exists when something was run."""
    return tmp_path / "was-run"


@pytest.fixture
def model(tmp_path: Path, marker: Path) -> Path:
    """A model folder that asks for its own code and has pickles beside its weights."""
    folder = save_model(tmp_path / "model", "llama", sentencepiece())
    for name in ("config.json", "tokenizer_config.json"):
        about = json.loads((folder / name).read_text())
        about["auto_map"] = {
            "AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model", "AutoTokenizer": ["evil.T", "evil.T"],
        }  # fmt: skip
        (folder / name).write_text(json.dumps(about))
    (folder / "evil.py").write_text(f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n")
    for name in ("pytorch_model.bin", "optimizer.pt", "training_args.bin"):
        torch.save(Bomb(marker), folder / name)
    (folder / "tokenizer.pkl").write_bytes(pickle.dumps(Bomb(marker)))
    return folder


def test_the_bomb_works(marker: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(marker)))  # noqa: S301
    assert marker.exists()


def test_a_model_folder_runs_nothing_of_its_own(model: Path, marker: Path) -> None:
    backbone = load(str(model), lora=LoRASettings(r=2, targets=["q_proj", "v_proj"]), device="cpu")
    assert not marker.exists()
    assert backbone.lora is not None
    (model / "model.safetensors").unlink()
    with pytest.raises(SrlError, match="only safetensors are read"):
        load(str(model), lora=None, device="cpu")
    assert not marker.exists()


def test_an_adapter_is_read_from_safetensors_alone(model: Path, marker: Path, tmp_path: Path) -> None:
    lora = load(str(model), lora=LoRASettings(r=2, targets=["q_proj", "v_proj"]), device="cpu").lora
    assert lora is not None
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    for name, weight in lora.state_dict().items():
        if "lora_B" in name:
            weight.fill_(1.0)
    lora.save(adapter)
    shutil.copy(model / "pytorch_model.bin", adapter / "adapter_model.bin")
    load_part(adapter, lora, {})
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(DamagedError, match="is missing"):
        load_part(adapter, lora, {})
    assert not marker.exists()


@pytest.mark.parametrize("key", ["trust_remote_code", "code_revision", "auto_map", "plugins", "build"])
def test_no_recipe_can_ask_for_code(key: str, builtins: Plugins) -> None:
    table = {
        "name": "x",
        "data": {"use": "demo"},
        "backbone": {"use": "llama", "model": "somewhere", key: True},
        "strategy": {"use": "text-prompt"},
    }
    with pytest.raises(RecipeError) as caught:
        check_recipe(table, "x", builtins)
    assert any(path == f"backbone.{key}" and "unknown key" in text for path, text in caught.value.problems)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_unpickles_or_evaluates(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg in ("trust_remote_code", "allow_pickle"):
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is False
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            assert node.func.id not in NEVER, f"line {node.lineno}"
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            assert (node.func.value.id, node.func.attr) not in OF_MODULES, f"line {node.lineno}"
