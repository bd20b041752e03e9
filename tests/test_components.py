"""The contract, for every component that is registered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import sasrec_llm.builtin
from sasrec_llm.components import BuildContext, StrategyComponent, resolve
from sasrec_llm.interfaces import Examples, Sequences
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Choice
from sasrec_llm.strategies.assemble import assemble
from sasrec_llm.strategies.ranking import rank
from sasrec_llm.testing import check_encoder, check_plugin, context, histories, one
from sasrec_llm.train.freezing import only, set_mode, weights

KNOWN = Plugins()
KNOWN.load()
TINY = {"width": 16, "layers": 1, "heads": 2, "vocabulary": 400, "pretrain_steps": 2}
SMALL: dict[str, dict[str, Any]] = {"tiny-llama": TINY, "sasrec": {"width": 8}}
BUILDABLE = ("encoders", "aligners", "backbones", "strategies")


def test_the_built_ins_are_a_plugin_like_any_other() -> None:
    check_plugin(sasrec_llm.builtin)


@pytest.mark.parametrize("name", KNOWN.offers("encoders"))
def test_every_encoder_keeps_its_promises(name: str) -> None:
    check_encoder(KNOWN.get("encoders", name))


@pytest.mark.parametrize("kind", BUILDABLE)
def test_every_component_can_be_imported_and_explains_its_settings(kind: str) -> None:
    for component, _ in KNOWN.offers(kind).values():
        assert callable(resolve(component.build))
        assert component.settings.__doc__
        assert component.settings.model_json_schema()["type"] == "object"


def choices(strategy: StrategyComponent[Any, Any]) -> dict[str, Choice]:
    """The strategy with the smallest parts that fit it."""
    uses = {"encoder": "sasrec", "aligner": "mlp", "backbone": "tiny-llama"}
    found = {section: uses[section] for section in {**strategy.needs, **strategy.may}} | {"strategy": strategy.name}
    kinds = {"encoder": "encoders", "aligner": "aligners", "backbone": "backbones", "strategy": "strategies"}
    return {
        section: Choice(name, KNOWN.get(kinds[section], name).settings.model_validate(SMALL.get(name, {})))
        for section, name in found.items()
    }


def small(tmp_path_factory: pytest.TempPathFactory, **changes: Any) -> BuildContext:
    return context(cache=tmp_path_factory.getbasetemp() / "contract", **changes)


OBJECTIVES = [
    (strategy, objective)
    for strategy, (component, _) in KNOWN.offers("strategies").items()
    for objective, about in component.objectives.items()
    if about.learns != "all"
]
LISTS: list[list[int]] = [[], [1], [4, 2, 9], list(range(1, 16))]
SEQUENCES = Sequences(
    torch.tensor([[0, 1, 2, 3], [4, 5, 6, 7], [0, 0, 9, 8]]), torch.tensor([1, 2, 3]), torch.full((3,), 50)
)
CANDIDATES = torch.tensor([[1, 2], [3, 4], [5, 5], [7, 20]])
LABELS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 1.0]])


@pytest.mark.parametrize(("name", "objective"), OBJECTIVES)
def test_same_seed_same_loss_any_batch_same_score(
    name: str, objective: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    component = KNOWN.get("strategies", name)
    scores = []
    for _ in range(2):
        recommender = assemble(choices(component), small(tmp_path_factory), KNOWN).recommender(objective)
        with torch.inference_mode():
            scores.append(recommender.score(histories(LISTS, 25), CANDIDATES))
    assert scores[0].shape == CANDIDATES.shape
    assert torch.isfinite(scores[0]).all(), "also for an empty history"
    assert torch.equal(scores[0], scores[1])
    with torch.inference_mode():
        for row in range(len(LISTS)):
            alone = recommender.score(one(histories(LISTS, 25), row), CANDIDATES[row : row + 1])
            assert torch.allclose(alone[0], scores[0][row], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "objective", "trained"),
    [
        (strategy, objective, list(trained))
        for strategy, objective in OBJECTIVES
        for parts in [KNOWN.get("strategies", strategy).objectives[objective].train]
        for trained in {parts, *((part,) for part in parts)}
    ],
)
def test_the_gradient_reaches_exactly_what_train_lists(
    name: str, objective: str, trained: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    component = KNOWN.get("strategies", name)
    strategy = assemble(choices(component), small(tmp_path_factory), KNOWN)
    examples = Examples(histories(LISTS, 25), CANDIDATES, LABELS)
    batch = SEQUENCES if component.objectives[objective].learns == "sequences" else examples
    parts = strategy.parts()
    before = {part: [weight.detach().clone() for weight in weights(found)] for part, found in parts.items()}
    with only(parts, trained) as chosen:
        set_mode(parts, trained)
        everything = [weight for found in chosen.values() for weight in found]
        optimiser = torch.optim.AdamW(everything, lr=1e-2, weight_decay=0.1)
        for _ in range(3):  # LoRA's A gets a gradient once B has moved
            loss = strategy.loss(objective, batch)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        for part, found in parts.items():
            grads = [weight.grad is not None and bool(weight.grad.abs().sum() > 0) for weight in weights(found)]
            assert any(grads) == (part in trained), part
    for part, found in parts.items():
        moved = any(not torch.equal(a, b) for a, b in zip(before[part], weights(found), strict=True))
        assert moved == (part in trained), f"{part} must {'change' if part in trained else 'keep every byte'}"
    assert not any(weight.requires_grad for found in parts.values() for weight in weights(found))


@pytest.mark.parametrize("tokens", [1, 3])
def test_soft_tokens_start_at_the_scale_of_real_ones(tokens: int, tmp_path: Path) -> None:
    from sasrec_llm.aligners.mlp import MLPAligner

    torch.manual_seed(0)
    aligner = MLPAligner(in_width=64, out_width=128, tokens=tokens, expansion=5, scale=0.03)
    soft = aligner(torch.randn(500, 64))
    assert soft.shape == (500, tokens, 128)
    assert float(soft.detach().std()) == pytest.approx(0.03, rel=0.15)
    silent = MLPAligner(in_width=64, out_width=128, tokens=tokens, expansion=5, scale=0.0)
    assert not silent(torch.randn(2, 3, 64)).any()


def test_one_slot_one_vector(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each slot's vector reaches the score, and the text around it stays what it was."""
    strategy: Any = assemble(choices(KNOWN.get("strategies", "token-mapping")), small(tmp_path_factory), KNOWN)._asks[
        "hybrid"
    ]
    seen, asked = {}, CANDIDATES[:, :1]
    real = strategy.backbone.next_logits

    def spy(embeddings: Any, lengths: Any, answers: Any) -> Any:
        seen["embeddings"] = embeddings
        return real(embeddings, lengths, answers)

    strategy.backbone.next_logits = spy
    given = histories(LISTS, 25)
    with torch.inference_mode():
        strategy.score(given, asked)
        batch = strategy.prompts.render(given.last(10), asked.flatten())
        user = strategy.aligner(strategy.encoder.user_vectors(given))
        item = strategy.aligner(strategy.encoder.item_vectors(asked)).flatten(0, 1)
        text = strategy.backbone.embed(batch.tokens)
    for row in range(4):
        for at in range(int(batch.lengths[row])):
            expected = text[row, at]
            if at == int(batch.slots["user"][row, 0, 0]):
                expected = user[row, 0]
            elif at == int(batch.slots["item"][row, 0, 0]):
                expected = item[row, 0]
            assert torch.equal(seen["embeddings"][row, at], expected)


@pytest.mark.parametrize("name", KNOWN.offers("strategies"))
def test_every_strategy_ranks(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The best k items, each once, none that the user has had; natively, or by what an encoder names."""
    component = KNOWN.get("strategies", name)
    if "runs" in component.settings.model_fields:
        pytest.skip("is made of finished runs: tests/test_strategies.py")
    strategy = assemble(choices(component), small(tmp_path_factory, task="next-item"), KNOWN)
    seen = torch.tensor([[0, 0], [1, 0], [4, 9], [15, 14]])
    objective = next(reversed(list(component.objectives)), "")
    with torch.inference_mode():
        found = rank(strategy.recommender(objective), histories(LISTS, 25), 6, seen, 20)
        everything = rank(strategy.recommender(objective), histories(LISTS, 25), 20, seen, 20)
    assert found.shape == (4, 6)
    for row, had in enumerate(seen.tolist()):
        named = found[row].tolist()
        assert len(set(named)) == 6
        assert not set(named) & {0, *had}
        left = [item for item in everything[row].tolist() if item]
        assert sorted(left) == sorted(set(range(1, 21)) - set(had))
