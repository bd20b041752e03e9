"""Causal language models of several families, all through one loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from sasrec_llm.backbones.llama import LlamaBackbone, load
from sasrec_llm.backbones.settings import EmbedSettings, LlamaSettings, LoRASettings
from sasrec_llm.errors import ModelError
from sasrec_llm.strategies.asking.prompts import Prompts
from sasrec_llm.strategies.settings import TextPromptSettings
from sasrec_llm.testing import context
from sasrec_llm.train.parts import load_part, save_part
from tests.tiny_models import FAMILIES, KINDS, gpt, save_model

TARGETS = {"gpt2": ["c_attn"], "phi": ["q_proj", "dense"]}
TEXTS = ["Heat (1995)", "x", "", "The Lion King (1994)? Yes or No. " * 6, "Alien", "Heat (1995)"]


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(family: str, tmp_path: Path) -> Path:
    return save_model(tmp_path / family, family, gpt(), **FAMILIES[family])


def backbone(folder: Path, family: str, **changes: Any) -> LlamaBackbone:
    torch.manual_seed(0)
    lora = LoRASettings(r=2, dropout=0.0, targets=TARGETS.get(family, ["q_proj", "v_proj"]))
    return load(str(folder), **({"lora": lora, "device": "cpu"} | changes))


def rendered(model: LlamaBackbone) -> Any:
    texts = tuple(f"Title {'long ' * (number % 4)}({1980 + number})" for number in range(1, 8))
    settings = TextPromptSettings()
    prompts = Prompts(
        settings=settings,
        tokenizer=model.tokenizer,
        item_texts=texts,
        context=model.context,
        answers=settings.answers,
    )
    return prompts, prompts.render(torch.tensor([[0, 0, 0], [0, 1, 2], [3, 4, 5]]), torch.tensor([1, 6, 7]))


@torch.inference_mode()
def test_answers_to_prompts_are_those_of_the_whole_model(folder: Path, family: str) -> None:
    """Longer than the sliding window of those that have one, with other rows beside them, and with LoRA attached."""
    model = backbone(folder, family)
    prompts, batch = rendered(model)
    whole = AutoModelForCausalLM.from_pretrained(str(folder))
    found = model.next_logits(model.embed(batch.tokens), batch.lengths, torch.tensor(prompts.answers))
    for row, length in enumerate(batch.lengths.tolist()):
        assert length > 40
        logits = whole(input_ids=batch.tokens[row : row + 1, :length]).logits[0, -1]
        assert torch.allclose(found[row], logits[list(prompts.answers)], atol=1e-4)
    assert model.width == 16
    assert model.context == 512


def test_the_tokenizer_that_comes_back_is_the_one_that_was_saved(folder: Path) -> None:
    text = 'A user liked "Heat (1995)",\n#Answer: Yes'
    assert AutoTokenizer.from_pretrained(str(folder))(text)["input_ids"] == gpt()(text)["input_ids"]


def test_lora_attaches_learns_and_comes_back(folder: Path, family: str, tmp_path: Path) -> None:
    model = backbone(folder, family)
    assert model.lora is not None
    prompts, batch = rendered(model)
    answers = torch.tensor(prompts.answers)
    weights = list(model.lora.parameters())
    assert len(weights) == 2 * 2 * len(TARGETS.get(family, ["q_proj", "v_proj"])), "A and B, two layers"
    for weight in weights:
        weight.requires_grad_(True)
    optimiser = torch.optim.AdamW(weights, lr=1e-2)
    losses = []
    for _ in range(4):
        logits = model.next_logits(model.embed(batch.tokens), batch.lengths, answers)
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 0]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    save_part(tmp_path / "lora", model.lora, {})
    other = backbone(folder, family)
    with torch.inference_mode():
        tuned = model.next_logits(model.embed(batch.tokens), batch.lengths, answers)
        load_part(tmp_path / "lora", other.lora, {})  # type: ignore[arg-type]
        assert torch.equal(other.next_logits(other.embed(batch.tokens), batch.lengths, answers), tuned)


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_texts_become_the_pooled_states_of_the_base_model(folder: Path, family: str, pooling: Any) -> None:
    model = backbone(folder, family, embed=EmbedSettings(pooling=pooling, max_tokens=40, batch_tokens=64))
    assert model.lora is not None
    with torch.no_grad():
        for weight in model.lora.parameters():
            weight.normal_()
    found = model.embed_texts(TEXTS)
    whole = AutoModelForCausalLM.from_pretrained(str(folder)).get_decoder()
    for row, text in enumerate(TEXTS):
        ids = gpt()(text)["input_ids"][:40]
        if not ids:
            assert not found[row].any(), "a text without a token"
            continue
        with torch.inference_mode():
            states = whole(input_ids=torch.tensor([ids])).last_hidden_state[0]
        expected = states.mean(0) if pooling == "mean" else states[-1]
        assert torch.allclose(found[row], expected, atol=1e-5)


def test_embedding_leaves_frozen_weights_frozen_and_learning_ones_learning(folder: Path, family: str) -> None:
    model = backbone(folder, family)
    assert model.lora is not None
    for wanted in (False, True):
        for weight in model.lora.parameters():
            weight.requires_grad_(wanted)
        found = model.embed_texts(["a"])
        assert {weight.requires_grad for weight in model.lora.parameters()} == {wanted}
        torch.nn.Parameter(found).sum().backward()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("kind", KINDS)
def test_the_start_token_is_read_and_not_averaged(kind: str, tmp_path: Path) -> None:
    tokenizer = KINDS[kind]()
    model = load(str(save_model(tmp_path / "m", "llama", tokenizer)), lora=None, device="cpu")
    found = model.embed_texts(["Heat (1995)", ""])
    start = model.tokenizer.start
    ids = [*start, *tokenizer("Heat (1995)", add_special_tokens=False)["input_ids"]]
    with torch.inference_mode():
        states = model.model.get_decoder()(input_ids=torch.tensor([ids])).last_hidden_state[0]
    assert torch.allclose(found[0], states[len(start) :].mean(0), atol=1e-5)
    assert found[1].isfinite().all()
    assert found[1].any() == bool(start), "the start token's state, where there is one"
    assert bool(start) == (kind in ("roberta", "sentencepiece", "wordpiece"))


def test_a_target_that_the_model_lacks_lists_what_it_has(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "m", "gpt2", gpt())
    with pytest.raises(ModelError) as caught:
        load(str(folder), lora=LoRASettings(targets=["c_attn", "q_proj"]), device="cpu")
    assert str(caught.value) == (
        "this gpt2 model has no layer 'q_proj' for LoRA (did you mean 'c_proj'?); it has: c_attn, c_proj, c_fc"
    )
    assert caught.value.hint == "--set 'backbone.lora.targets=[\"c_attn\"]'"


def test_a_family_that_bends_its_logits_is_refused(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "m", "gemma2", gpt(), final_logit_softcapping=1.0, head_dim=8, num_key_value_heads=1)
    with pytest.raises(ModelError, match="family 'gemma2' change their logits after the output matrix"):
        load(str(folder), lora=None, device="cpu")


def test_four_bit_is_refused_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    from sasrec_llm.backbones import quantise

    with pytest.raises(ModelError, match="needs a CUDA GPU; this run is on cpu"):
        load("no/such-model", lora=None, device="cpu", quantise="4bit")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(quantise, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="needs bitsandbytes, which is not installed") as caught:
        load("no/such-model", lora=None, device="cuda", quantise="4bit")
    assert "pip install bitsandbytes" in caught.value.hint


@pytest.mark.parametrize("lora", [LoRASettings(r=2), None])
def test_four_bit_is_passed_on(lora: LoRASettings | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What transformers would be given where there is a GPU; here the weights are then read as they are."""
    from sasrec_llm.backbones import llama, quantise

    folder = save_model(tmp_path / "m", "llama", gpt())
    given: dict[str, Any] = {}
    real = AutoModelForCausalLM.from_pretrained

    def spy(*args: Any, quantization_config: Any, device_map: Any, **rest: Any) -> Any:
        given.update(config=quantization_config, device_map=device_map, dtype=rest["dtype"])
        return real(*args, **rest)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(quantise, "find_spec", lambda name: object())
    monkeypatch.setattr(quantise, "BitsAndBytesConfig", lambda **options: options)
    monkeypatch.setattr(llama.AutoModelForCausalLM, "from_pretrained", spy)
    monkeypatch.setattr(LlamaBackbone, "to", lambda self, device: self)
    settings = LlamaSettings(model=str(folder), quantise="4bit", lora=lora, embed=EmbedSettings())
    model = llama.build(settings, context(device="cuda", cache=tmp_path))
    assert given == {
        "config": {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_use_double_quant": True,
            "bnb_4bit_compute_dtype": torch.bfloat16,
        },
        "device_map": {"": "cuda"},
        "dtype": torch.bfloat16,
    }
    readied = torch.bfloat16 if lora is None else torch.float32  # what stays of the weights beside the four-bit ones
    assert model.embed(torch.tensor([[1]])).dtype == readied
    assert (model.lora is None) == (lora is None)
