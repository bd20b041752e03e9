"""A backbone whose layers are divided over two processes learns and answers as one that is whole."""

from __future__ import annotations

import copy
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed
from pydantic import ValidationError
from safetensors.torch import load_file
from torch.distributed.tensor import DTensor
from transformers import AutoConfig, AutoModelForCausalLM

from sasrec_llm.backbones import asked
from sasrec_llm.backbones.families import TESTED
from sasrec_llm.backbones.llama import LlamaBackbone, load
from sasrec_llm.backbones.settings import LlamaSettings, LoRASettings
from sasrec_llm.backbones.sharding import is_sharded, load_share, load_without_layers, shard_layers
from sasrec_llm.durable import read_json
from sasrec_llm.errors import ModelError
from sasrec_llm.experiment import run
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.file import load_recipe
from sasrec_llm.runs import Workspace
from tests.sliced_run import SLICED
from tests.tiny_models import FAMILIES, gpt, save_model

ROOT = Path(__file__).parent.parent
LORA = LoRASettings(r=2, dropout=0.5)
# Three slices for two processes, and parts of prompts of which one process has more than the other.
CHANGES = {
    r'use = "tiny-llama".*?pretrain_steps = 2': 'use = "llama"\nmodel = "llama"',
    r"epochs = 4\nepoch_steps = 40": "epochs = 1\nepoch_steps = 2",
    r"\[stages.warmup\].*?\n\n?(?=\[stages.joint)": "",
    r'objective = "hybrid"(.*)epoch_steps = 4\nbatch_size = 9\nslices = 2': (
        r'objective = "mixed"\1epoch_steps = 2\nbatch_size = 301\nslices = 3'
    ),
}
WORKER = """
from pathlib import Path
from sasrec_llm import experiment, processes
from sasrec_llm.evaluation import bootstrap
from sasrec_llm.plugins import plugins
from sasrec_llm.recipe.file import load_recipe
from sasrec_llm.runs import Workspace

def told(*given):
    system = build(*given)
    decoder = system.backbone._causal_lm.get_decoder()
    print(sum(weight.to_local().numel() for weight in decoder.parameters() if hasattr(weight, "to_local")))
    return system

bootstrap.DRAWS = 50
build, experiment.build_together = experiment.build_together, told
with processes.joined():
    recipe = load_recipe(Path("recipe.toml"), ["backbone.shard=true"], plugins())
    place = Workspace(Path("data"), Path("two"), Path("cache"))
    experiment.run(recipe, "", place, plugins(), page=False)
"""


@pytest.fixture
def alone() -> Iterator[None]:
    """A group of one process, for which all is done as for several."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def backbone(folder: Path) -> LlamaBackbone:
    torch.manual_seed(0)
    found = load(str(folder), lora=LORA, device="cpu", dtype="fp32")
    assert found.lora
    for weight in found.lora.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    return found


def learned(model: LlamaBackbone) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]:
    """Answers to prompts of 3 and 5 tokens, their gradient, and a random number drawn thereafter."""
    assert model.lora
    model.lora.train()
    torch.manual_seed(3)
    prompts = torch.randn(2, 5, model.width, generator=torch.Generator().manual_seed(1))
    found = model.next_logits(prompts, torch.tensor([3, 5]), torch.tensor([1, 7]))
    drawn = torch.rand(1)
    found.sum().backward()  # type: ignore[no-untyped-call]
    return found.detach(), [weight.grad for weight in model.lora.parameters() if weight.grad is not None], drawn


@pytest.mark.skipif(sys.platform != "linux", reason="two processes over loopback")
def test_two_processes_with_half_the_layers_each_leave_what_one_leaves(
    few_folder: Path, tmp_path: Path, builtins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(few_folder, tmp_path / "data" / "demo")
    save_model(tmp_path / "llama", "llama", gpt(), **FAMILIES["llama"])
    text = SLICED
    for old, new in CHANGES.items():
        text, count = re.subn(old, new, text, flags=re.DOTALL)
        assert count == 1
    (tmp_path / "recipe.toml").write_text(text)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    shared = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    shared |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "SRL_DISABLE_PLUGINS": "*"}
    two = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER], env={**shared, "RANK": rank}, stdout=subprocess.PIPE, text=True
        )
        for rank in ("0", "1")
    ]
    recipe = load_recipe(tmp_path / "recipe.toml", [], builtins)
    place = Workspace(tmp_path / "data", tmp_path / "one", tmp_path / "cache")
    one = run(recipe, "", place, builtins, page=False).run.folder
    held = [int(process.communicate()[0]) for process in two]
    assert [process.returncode for process in two] == [0, 0]
    whole = AutoModelForCausalLM.from_pretrained(str(tmp_path / "llama")).get_decoder().layers
    assert sum(held) == sum(weight.numel() for weight in whole.parameters())
    assert held[0] == held[1]
    (other,) = (path.parent for path in (tmp_path / "two").glob("*/metrics.json"))
    assert other.name == one.name  # whether it was sharded is no part of what a run is
    assert read_json(other / "resolved.json")["backbone"]["shard"]
    files = sorted(path.relative_to(one) for path in one.glob("stages/*/result/**/*.safetensors"))
    assert len(files) == 4
    for path in files:
        torch.testing.assert_close(load_file(other / path), load_file(one / path), rtol=0, atol=1e-5)
    for split in ("valid", "test"):
        assert figures(other, split) == pytest.approx(figures(one, split), abs=1e-5)


def figures(folder: Path, split: str) -> dict[str, float]:
    return {
        f"{table['subset']}, {who}: {name}": figure["value"]
        for table in read_json(folder / "metrics.json")[split]
        for who, found in table["systems"].items()
        for name, figure in found.items()
        if figure["value"] is not None
    }


def test_what_is_read_for_the_others_sake_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_model(tmp_path / "llama", "llama", gpt(), **FAMILIES["llama"])
    wanted, reads = learned(backbone(folder)), []
    real = asked._last
    monkeypatch.setattr(asked, "reads_behind", lambda *_: 2)
    monkeypatch.setattr(asked, "_last", lambda *given: reads.append(given) or real(*given))
    torch.testing.assert_close(learned(backbone(folder)), wanted, rtol=0, atol=0)
    assert len(reads) == 3


def test_the_frozen_weights_of_layers_are_divided_and_nothing_else(tmp_path: Path, alone: None) -> None:
    folder = save_model(tmp_path / "llama", "llama", gpt(), **FAMILIES["llama"])
    wanted, sharded = learned(backbone(folder)), backbone(folder)
    decoder = sharded._causal_lm.get_decoder()
    shard_layers(decoder, "cpu")
    assert is_sharded(decoder)
    assert sharded.sharded
    torch.testing.assert_close(learned(sharded), wanted, rtol=0, atol=0)
    for name, weight in sharded.named_parameters():
        assert isinstance(weight, DTensor) == (".layers." in name and "lora_" not in name), name


@pytest.mark.parametrize("family", TESTED)
def test_a_model_without_layers_is_whole_once_it_is_told_them(family: str, tmp_path: Path) -> None:
    folder = str(save_model(tmp_path / family, family, gpt(), **FAMILIES[family]))
    config: Any = AutoConfig.from_pretrained(folder)
    options = {"dtype": torch.float32, "use_safetensors": True, "output_loading_info": True}
    whole, _ = AutoModelForCausalLM.from_pretrained(folder, config=config, **options)
    bare, report = load_without_layers(folder, config=copy.deepcopy(config), **options)
    assert not report["missing_keys"]
    assert {name for name, weight in bare.named_parameters() if weight.is_meta} == {
        name for name, _ in whole.named_parameters() if ".layers." in name
    }
    for mine, theirs in zip(bare.get_decoder().layers, whole.get_decoder().layers, strict=True):
        mine.to_empty(device="cpu").load_state_dict(theirs.state_dict())
    tokens = torch.tensor([[5, 9, 2, 7]])
    with torch.no_grad():
        torch.testing.assert_close(bare(tokens).logits, whole(tokens).logits, rtol=0, atol=0)


def test_what_cannot_be_sharded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="quantise or shard"):
        LlamaSettings(model="x", shard=True, quantise="4bit")
    folder = save_model(tmp_path / "gpt2", "gpt2", gpt())
    with pytest.raises(ModelError, match="family 'gpt2' cannot be sharded"):
        load_share(str(folder), config=AutoConfig.from_pretrained(str(folder)))
