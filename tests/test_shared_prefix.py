"""What the candidates of a user share is read once; every score is that of the whole model and one prompt for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sasrec_llm.backbones import asked, branching
from sasrec_llm.backbones.llama import LlamaBackbone, load
from sasrec_llm.backbones.settings import LoRASettings
from sasrec_llm.interfaces import Examples, Histories
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Choice
from sasrec_llm.strategies.asking import yes_no
from sasrec_llm.strategies.assemble import assemble
from sasrec_llm.strategies.ranking import Reranked, every_score
from sasrec_llm.testing import context, histories
from tests.tiny_models import FAMILIES, gpt, save_model

KNOWN = Plugins()
KNOWN.load()
TITLES = tuple(f"{'The Long ' * (item % 5)}Title {item}" for item in range(1, 21))
LISTS = [[3, 8, 1], [], [20], list(range(1, 13)), [4, 4]]
ASKED = torch.tensor([[5, 9, 14, 2, 7, 14]]).expand(5, -1) + torch.arange(5)[:, None]  # 14 twice
BRANCHING = [name for name in FAMILIES if name not in ("gpt2", "phi")]
LORA = {"gpt2": ["c_attn"], "phi": ["q_proj", "dense"]}


def family(name: str, folder: Path, dropout: float = 0.0) -> LlamaBackbone:
    lora = LoRASettings(r=2, dropout=dropout, targets=LORA.get(name, ["q_proj", "v_proj", "down_proj"]))
    return tuned(load(str(save_model(folder / name, name, gpt(), **FAMILIES[name])), lora=lora, device="cpu"))


def tuned(model: LlamaBackbone) -> LlamaBackbone:
    assert model.lora is not None
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.lora.parameters():
            weight.normal_(std=0.1)
    return model


def strategy(model: LlamaBackbone, *, slots: bool = False, **settings: Any) -> Any:
    """How it asks: in words alone, or with soft tokens."""
    given = context(item_texts=TITLES, backbone=model)
    name, objective = ("token-mapping", "hybrid") if slots else ("text-prompt", "text")
    sections = {"strategy": (name, {"titles": 6} | settings)}
    if slots:
        sections |= {
            "encoder": ("sasrec", {"width": 8, "heads": 1, "max_length": 9}),
            "aligner": ("mlp", {"tokens": 2}),
        }
    kinds = {"encoder": "encoders", "aligner": "aligners", "strategy": "strategies"}
    chosen = {
        section: Choice(use, KNOWN.get(kinds[section], use).settings.model_validate(table))
        for section, (use, table) in sections.items()
    }
    made: Any = assemble(chosen, given, KNOWN)[0]
    if slots:
        with torch.no_grad():
            for weight in made._parts["aligner"].parameters():
                weight.normal_(std=0.3)
    return made._asks[objective]


def plain(ask: Any, given: Histories, candidates: Tensor) -> Tensor:
    """Every prompt alone through the whole model, with the logits of all its positions and the whole vocabulary."""
    rows = []
    for row in range(len(candidates)):
        for item in candidates[row].tolist():
            one, target = given.pick(slice(row, row + 1)), torch.tensor([[item]])
            batch = ask.prompts.render(one.last(ask.prompts.titles), target[0])
            embeddings = ask._embed(batch, ask.soft_tokens(one, target))
            rows.append(ask.backbone.model(inputs_embeds=embeddings, use_cache=False).logits[0, -1])
    logits = torch.stack(rows).view(*candidates.shape, -1)[..., ask.prompts.answers]
    if not ask.ratings:
        return logits[..., 0] - logits[..., 1]
    likes = torch.tensor([rating >= ask.like_at for rating in ask.ratings])
    share = logits.softmax(-1)
    return share[..., likes].sum(-1).log() - share[..., ~likes].sum(-1).log()


def same(one: Tensor, other: Tensor) -> bool:
    """Within 1e-5 of the spread of the scores."""
    assert other.std() > 0
    return bool((one - other).abs().max() < 1e-5 * max(float(other.std()), 1.0))


@pytest.mark.parametrize("slots", [False, True])
@pytest.mark.parametrize("name", FAMILIES)
@torch.inference_mode()
def test_every_family_answers_alike(name: str, slots: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With LoRA; prompts longer than the sliding window of those that have one; in one piece and in many."""
    ask = (
        strategy(family(name, tmp_path), slots=slots, history_slots=True) if slots else strategy(family(name, tmp_path))
    )
    given = histories(LISTS, 20)
    wanted = plain(ask, given, ASKED)
    for written, prompts in ((512, 128), (60, 12), (1, 1)):
        monkeypatch.setattr(branching, "WRITTEN", written)
        monkeypatch.setattr(yes_no, "PROMPTS", prompts)
        assert same(ask.score(given, ASKED), wanted)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> LlamaBackbone:
    return family("llama", tmp_path_factory.mktemp("shared"))


TEMPLATES = {
    "item before title": "Liked: {history}.[[ User {user}.]] Like[[ the one with {item}]], {target}? Answer:",
    "item before user": "Like[[ {item}]]? After {history}[[ of {user}]] comes {target}. Answer:",
}


@pytest.mark.parametrize("slots", [False, True])
@pytest.mark.parametrize("template", TEMPLATES)
@torch.inference_mode()
def test_wherever_the_slots_stand(template: str, slots: bool, llama: LlamaBackbone, tmp_path: Path) -> None:
    (tmp_path / "template.txt").write_text(TEMPLATES[template])
    ask = strategy(llama, slots=slots, template=str(tmp_path / "template.txt"))
    given = histories(LISTS, 20)
    assert same(ask.score(given, ASKED), plain(ask, given, ASKED))


@pytest.mark.parametrize(
    "settings",
    [{"answers": [" 1", " 2", " 3", " 4", " 5"]}, {"max_tokens": 150, "titles": 12}, {"no_titles": "x"}],
    ids=["ratings", "cut", "empty"],
)
@torch.inference_mode()
def test_ratings_and_prompts_that_are_cut(
    settings: dict[str, Any], llama: LlamaBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the title of one candidate leaves less room for the history than another's, they share less."""
    monkeypatch.setattr("sasrec_llm.strategies.asking.text_prompt.check_ratings", lambda *_: None)
    ask = strategy(llama, **settings)
    given = histories(LISTS, 20)
    if "max_tokens" in settings:
        batch = ask.prompts.render(given.last(12).repeat_interleave(6, 0), ASKED.flatten())
        assert len(batch.dropped.view(5, 6)[3].unique()) > 1
    assert same(ask.score(given, ASKED), plain(ask, given, ASKED))


@torch.inference_mode()
def test_a_score_does_not_depend_on_the_others(llama: LlamaBackbone) -> None:
    ask = strategy(llama, slots=True)
    given = histories(LISTS, 20)
    wanted = ask.score(given, ASKED)
    for row in range(5):
        alone = given.pick(slice(row, row + 1))
        for columns in (slice(0, 2), slice(3, 4)):
            found = ask.score(alone, ASKED[row : row + 1, columns])
            assert torch.allclose(found, wanted[row : row + 1, columns], atol=1e-5)


@torch.inference_mode()
def test_ranking_the_catalogue(llama: LlamaBackbone) -> None:
    ask = strategy(llama)
    given = histories(LISTS, 20)
    every = every_score(ask, given, 20)
    assert same(every[:, 1:], plain(ask, given, torch.arange(1, 21).expand(5, -1)))
    retriever = KNOWN.get("encoders", "popularity").make(KNOWN.get("encoders", "popularity").settings(), context())
    ranked = [
        Reranked(retriever=retriever, scorer=scorer, n=7, n_items=20).score_all(given) for scorer in (ask, Plain(ask))
    ]
    assert torch.allclose(*ranked, atol=1e-4)


class Plain:
    def __init__(self, ask: Any) -> None:
        self._ask = ask

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        return plain(self._ask, histories, candidates)


class Bare:
    """A backbone with what a backbone must have."""

    def __init__(self, model: LlamaBackbone) -> None:
        self.embed, self.next_logits = model.embed, model.next_logits
        self.read: list[int] = []


@torch.inference_mode()
def test_a_backbone_that_cannot_is_asked_one_by_one(llama: LlamaBackbone) -> None:
    ask = strategy(llama)
    given = histories(LISTS, 20)
    tokens = {}
    for name, model in (("shared", llama), ("bare", Bare(llama))):
        ask.backbone = model
        read: list[int] = []
        hook = (
            llama._causal_lm.get_decoder()
            .layers[0]
            .mlp.register_forward_hook(
                lambda _, given, __, read=read: read.append(given[0].shape[0] * given[0].shape[1])
            )
        )
        scores = ask.score(given, ASKED)
        hook.remove()
        tokens[name] = (sum(read), scores)
    assert tokens["shared"][0] < tokens["bare"][0] / 2
    assert same(tokens["shared"][1], tokens["bare"][1])


@torch.inference_mode()
def test_rotary_frequencies_that_follow_the_longest_prompt_are_not_shared(tmp_path: Path) -> None:
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10_000.0}
    folder = save_model(tmp_path / "dynamic", "llama", gpt(), rope_parameters=rope, max_position_embeddings=512)
    model = tuned(load(str(folder), lora=LoRASettings(r=2, dropout=0.0), device="cpu"))
    ask = strategy(model)
    given = histories(LISTS, 20)
    assert same(ask.score(given, ASKED), plain(ask, given, ASKED))


def test_learning_from_several_candidates(llama: LlamaBackbone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loss and gradients, of LoRA and of what fills the slots; and the same of one candidate a row, in many parts."""
    ask = strategy(llama, slots=True)
    given, labels = histories(LISTS, 20), (torch.arange(30).view(5, 6) % 3 == 0).float()
    assert llama.lora is not None
    weights = [*llama.lora.parameters(), *ask.aligner.parameters(), *ask.encoder.parameters()]

    def gradients(loss: Tensor) -> list[Tensor]:
        found = torch.autograd.grad(loss, weights, allow_unused=True)
        return [loss.detach(), *(gradient for gradient in found if gradient is not None)]

    for weight in weights:
        weight.requires_grad_(True)
    binary = torch.nn.functional.binary_cross_entropy_with_logits
    for columns in (6, 1):
        wanted = gradients(binary(plain(ask, given, ASKED[:, :columns]), labels[:, :columns]))
        for tokens in (4096, 300, 1):
            monkeypatch.setattr(asked, "TOKENS", {"cpu": tokens})
            found = gradients(ask.loss(Examples(given, ASKED[:, :columns], labels[:, :columns])))
            assert len(found) == len(wanted) > 10
            for one, other in zip(found, wanted, strict=True):
                assert torch.allclose(one, other, atol=1e-5 * max(float(other.abs().max()), 1))
    for weight in weights:
        weight.requires_grad_(False)


def test_a_model_is_left_as_it_was(llama: LlamaBackbone) -> None:
    decoder = llama._causal_lm.get_decoder()
    with pytest.raises(KeyboardInterrupt), asked.only_at(decoder, torch.tensor([[0]])):
        raise KeyboardInterrupt
    assert not decoder.layers[-1].mlp._forward_hooks
    assert not decoder.layers[-1].mlp._forward_pre_hooks


@torch.inference_mode()
def test_a_real_model(shared: Path) -> None:
    """In 64 bits: in 32 its own logits vary by more with the shape of a batch."""
    model = tuned(load(str(shared / "stories260K"), lora=LoRASettings(r=4, dropout=0.0), device="cpu"))
    ask = strategy(model, slots=True)
    for part in (model, ask.aligner, ask.encoder):
        part.double()
    given = histories(LISTS, 20)
    assert same(ask.score(given, ASKED), plain(ask, given, ASKED))
