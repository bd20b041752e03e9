"""The backbone, on a real pre-trained Llama (where the real data is) and on the one made here."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import LlamaModel

from sasrec_llm.backbones.llama import LlamaBackbone, load
from sasrec_llm.backbones.llama import build as build_llama
from sasrec_llm.backbones.settings import BuiltInLlamaSettings, EmbedSettings, LlamaSettings, LoRASettings
from sasrec_llm.backbones.tiny_llama import build as build_tiny
from sasrec_llm.components import BuildContext
from sasrec_llm.errors import DamagedError, ModelError
from sasrec_llm.plugins import Plugins
from sasrec_llm.testing import check_backbone, context
from sasrec_llm.train.parts import load_part, save_part

SMALL = BuiltInLlamaSettings(width=16, layers=1, heads=2, vocabulary=400, pretrain_steps=2)


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("cache")
    build_tiny(SMALL, context(cache=cache))
    (folder,) = cache.glob("tiny-llama-*")
    return folder


@pytest.fixture(params=["tiny-llama", "stories260K"])
def folder(request: pytest.FixtureRequest, tiny_folder: Path) -> Path:
    if request.param == "tiny-llama":
        return tiny_folder
    shared: Path = request.getfixturevalue("shared")
    return shared / "stories260K"


def backbone(folder: Path, lora: LoRASettings | None = LoRASettings(r=4, dropout=0.0)) -> LlamaBackbone:  # noqa: B008
    torch.manual_seed(0)
    return load(str(folder), lora=lora, device="cpu")


def ask(model: LlamaBackbone, texts: list[str]) -> Tensor:
    ids = [model.tokenizer.opening(text) for text in texts]
    lengths = torch.tensor([len(found) for found in ids])
    tokens = torch.zeros(len(ids), int(lengths.max()), dtype=torch.int64)
    for row, found in enumerate(ids):
        tokens[row, : len(found)] = torch.tensor(found)
    return model.next_logits(model.embed(tokens), lengths, torch.tensor([5, 9, 20]))


TEXTS = [
    "Once upon a time",
    "A girl named Lily",
    "x",
    "The dog ran and ran and ran until it was very tired of running.",
]


def test_logits_are_those_of_the_whole_model(folder: Path) -> None:
    model = backbone(folder, lora=None)
    ids = torch.tensor([model.tokenizer.opening(TEXTS[0])])
    with torch.inference_mode():
        whole = model.model(input_ids=ids).logits[0, -1, [5, 9, 20]]
        assert torch.allclose(ask(model, TEXTS[:1])[0], whole, atol=1e-5)


def test_a_row_does_not_depend_on_its_batch(folder: Path) -> None:
    model = backbone(folder)
    with torch.inference_mode():
        together = ask(model, TEXTS)
        for row, text in enumerate(TEXTS):
            assert torch.allclose(together[row], ask(model, [text])[0], atol=1e-5)


def tune(model: LlamaBackbone, steps: int = 5) -> list[float]:
    assert model.lora is not None
    for weight in model.lora.parameters():
        weight.requires_grad_(True)
    optimiser = torch.optim.AdamW(list(model.lora.parameters()), lr=1e-2)
    losses = []
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(ask(model, TEXTS), torch.tensor([0, 1, 2, 1]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


def test_lora_learns_is_saved_as_peft_and_loads_back(folder: Path, tmp_path: Path) -> None:
    model = backbone(folder)
    before = {name: weight.clone() for name, weight in model.named_parameters() if "lora_" not in name}
    losses = tune(model)
    assert losses[-1] < losses[0]
    assert all(torch.equal(weight, dict(model.named_parameters())[name]) for name, weight in before.items())
    assert model.lora is not None
    save_part(tmp_path / "lora", model.lora, {})
    with torch.inference_mode():
        tuned = ask(model, TEXTS)
    other = backbone(folder)
    with torch.inference_mode():
        assert not torch.allclose(ask(other, TEXTS), tuned)
        load_part(tmp_path / "lora", other.lora, {})  # type: ignore[arg-type]
        assert torch.equal(ask(other, TEXTS), tuned)


def test_peft_itself_reads_the_adapter(tiny_folder: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = backbone(tiny_folder)
    tune(model)
    save_part(tmp_path / "lora", model.lora, {})  # type: ignore[arg-type]
    theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(str(tiny_folder)), str(tmp_path / "lora"))
    ids = torch.tensor([model.tokenizer.opening(TEXTS[0])])
    with torch.inference_mode():
        assert torch.allclose(theirs(input_ids=ids).logits[0, -1, [5, 9, 20]], ask(model, TEXTS[:1])[0], atol=1e-5)


def test_an_adapter_that_is_not_exactly_right_is_not_loaded(tiny_folder: Path, tmp_path: Path) -> None:
    model = backbone(tiny_folder)
    untrained = tmp_path / "untrained"
    save_part(untrained, model.lora, {})  # type: ignore[arg-type]
    other = backbone(tiny_folder)
    with pytest.raises(DamagedError, match="untrained: every lora_B is zero"):
        load_part(untrained, other.lora, {})  # type: ignore[arg-type]
    tune(model)
    save_part(tmp_path / "trained", model.lora, {})  # type: ignore[arg-type]
    wider = backbone(tiny_folder, LoRASettings(r=8))
    with pytest.raises(DamagedError, match="has r = 4, the recipe's LoRA has 8"):
        load_part(tmp_path / "trained", wider.lora, {})  # type: ignore[arg-type]
    more = backbone(tiny_folder, LoRASettings(r=4, targets=["q_proj"]))
    with pytest.raises(DamagedError, match="target_modules"):
        load_part(tmp_path / "trained", more.lora, {})  # type: ignore[arg-type]
    (tmp_path / "trained" / "adapter_model.safetensors").unlink()
    with pytest.raises(DamagedError, match=r"adapter_model.safetensors is missing"):
        load_part(tmp_path / "trained", other.lora, {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("remove", "text"),
    [
        ("model.safetensors", "has no weights"),
        ("config.json", "is not a model folder"),
        ("", "there is no model folder"),
    ],
)
def test_folders_that_are_no_models(tiny_folder: Path, tmp_path: Path, remove: str, text: str) -> None:
    broken = tmp_path / "model"
    if remove:
        shutil.copytree(tiny_folder, broken)
        (broken / remove).unlink()
    with pytest.raises(ModelError, match=text):
        backbone(broken)


def test_weights_that_could_run_code_are_refused(tiny_folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "model"
    shutil.copytree(tiny_folder, broken)
    (broken / "model.safetensors").rename(broken / "pytorch_model.bin")
    with pytest.raises(ModelError, match="only safetensors are read"):
        backbone(broken)


def test_weights_that_are_cut_short_are_one_line(tiny_folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "model"
    shutil.copytree(tiny_folder, broken)
    content = (broken / "model.safetensors").read_bytes()
    for length in (4, 5000):
        (broken / "model.safetensors").write_bytes(content[:length])
        with pytest.raises(ModelError, match=f"cannot load the model in {broken}: "):
            backbone(broken)


def test_weights_that_do_not_cover_the_config_are_refused(tiny_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "model"
    shutil.copytree(tiny_folder, broken)
    weights = load_file(broken / "model.safetensors")
    weights.pop("model.layers.0.mlp.up_proj.weight")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"do not fit its config.json: model.layers.0.mlp.up_proj.weight"):
        backbone(broken)


def test_a_hub_id_without_network_says_what_to_do() -> None:
    with pytest.raises(ModelError, match="not in the local cache and the hub cannot be reached") as caught:
        backbone(Path("nobody/nothing-1b"))
    assert "--set backbone.model=PATH" in caught.value.hint


def test_the_built_in_llama_is_made_once_and_the_same_for_a_seed(tmp_path: Path) -> None:
    def weights(given: BuildContext) -> dict[str, Tensor]:
        return dict(build_tiny(SMALL, given).state_dict())

    one, two = weights(context(cache=tmp_path / "one")), weights(context(cache=tmp_path / "two"))
    frozen = [name for name in one if "lora_" not in name]
    assert all(torch.equal(one[name], two[name]) for name in frozen)
    (made,) = (tmp_path / "one").glob("tiny-llama-*")
    stamp = made.stat().st_mtime_ns
    weights(context(cache=tmp_path / "one"))
    assert made.stat().st_mtime_ns == stamp
    content = bytearray((made / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (made / "model.safetensors").write_bytes(content)
    with pytest.raises(DamagedError, match="is damaged"):
        weights(context(cache=tmp_path / "one"))


def test_its_embedding_scale_is_that_of_its_tokens(folder: Path) -> None:
    model: Any = backbone(folder, None)
    assert model.embedding_scale == pytest.approx(float(model.model.get_input_embeddings().weight.std()))


@pytest.mark.parametrize("name", ["tiny-llama", "llama", "causal-lm"])
def test_it_keeps_the_promises_of_a_backbone(name: str, tiny_folder: Path, builtins: Plugins) -> None:
    settings = SMALL.model_dump() if name == "tiny-llama" else {"model": str(tiny_folder)}
    check_backbone(builtins.get("backbones", name), settings)


def test_its_text_vectors_are_kept_and_follow_the_settings(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real = LlamaModel.forward

    def count(self: LlamaModel, *, input_ids: Tensor, **how: Any) -> Any:
        calls.append(len(input_ids))
        return real(self, input_ids=input_ids, **how)

    monkeypatch.setattr(LlamaModel, "forward", count)

    def vectors(texts: list[str], lora: LoRASettings | None = None, **embed: Any) -> Tensor:
        settings = LlamaSettings(model=str(tiny_folder), lora=lora, embed=EmbedSettings(**embed))
        return build_llama(settings, context(cache=tmp_path)).embed_texts(texts)

    first = vectors(TEXTS)
    assert sum(calls) == len(TEXTS)
    assert torch.equal(vectors(TEXTS, LoRASettings(r=2)), first)
    assert torch.equal(vectors(TEXTS, batch_tokens=16), first)
    assert sum(calls) == len(TEXTS)
    vectors([*TEXTS, "new"])
    assert sum(calls) == len(TEXTS) + 1
    last, unit = vectors(TEXTS, pooling="last"), vectors(TEXTS, normalise=True)
    assert not torch.allclose(last, first, atol=1e-3)
    assert torch.allclose(unit, torch.nn.functional.normalize(first), atol=1e-5)
    cut = vectors(["Once upon a time there was", "Once upon a time they ran"], max_tokens=2)
    assert torch.equal(cut[0], cut[1])
    assert torch.allclose(vectors(["upon a time"], prefix="Once "), vectors(["Once upon a time"]), atol=1e-6)
