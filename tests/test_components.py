"""The contract, for every component that is registered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import sasrec_llm.builtin
from sasrec_llm.components import BuildContext, Settings, StrategyComponent, resolve
from sasrec_llm.plugins import Plugins, singular
from sasrec_llm.recipe import Choice
from sasrec_llm.strategies.assemble import assemble
from sasrec_llm.testing import check_component, check_plugin, context, histories

KNOWN = Plugins()
KNOWN.load()
TINY = {"width": 16, "layers": 1, "heads": 2, "vocabulary": 400, "pretrain_steps": 2}
SMALL: dict[str, dict[str, Any]] = {"tiny-llama": TINY, "sasrec": {"width": 8}}
BUILDABLE = ("encoders", "aligners", "backbones", "strategies")


def test_the_built_ins_are_a_plugin_like_any_other() -> None:
    check_plugin(sasrec_llm.builtin)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in ("encoders", "aligners", "strategies", "metrics") for name in KNOWN.offers(kind)],
)
def test_every_component_keeps_its_promises(kind: str, name: str) -> None:
    component = KNOWN.get(kind, name)
    if "runs" in getattr(component, "settings", Settings).model_fields:
        pytest.skip("is made of finished runs: tests/test_strategies.py")
    check_component(component, kind=singular(kind), known=KNOWN)


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


LISTS: list[list[int]] = [[], [1], [4, 2, 9], list(range(1, 16))]
CANDIDATES = torch.tensor([[1, 2], [3, 4], [5, 5], [7, 20]])


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
    made: Any = assemble(choices(KNOWN.get("strategies", "token-mapping")), small(tmp_path_factory), KNOWN)[0]
    strategy = made._asks["hybrid"]
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
