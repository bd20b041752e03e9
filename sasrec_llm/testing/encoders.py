"""The promises of an encoder."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sasrec_llm.components import Component
from sasrec_llm.interfaces import Fittable, Histories, Ranker, Scorer, Sequences
from sasrec_llm.recipe import Choice
from sasrec_llm.testing.world import N_ITEMS, context, histories, one, rows
from sasrec_llm.train.parts import load_part, save_part


def check_encoder(component: Component[Any, Any], settings: Mapping[str, Any] | None = None) -> None:
    """What every encoder promises: finite scores, also for an empty history; the same for the same seed; the same for
    any padding and any neighbours; of the whole catalogue as of some of it; and what is saved is what is loaded."""
    choice = Choice(component.name, component.settings.model_validate(dict(settings or {})))
    encoder = _build(component, choice)
    lists = [[], [1], [4, 2, 9], list(range(1, 16))]
    candidates = torch.tensor([[1, 2, 20], [3, 4, 20], [5, 5, 20], [7, 8, 20]])
    scores = _score(encoder, histories(lists, 20), candidates)
    assert scores.shape == candidates.shape, f"score must be [B, C]; got {tuple(scores.shape)}"
    assert torch.isfinite(scores).all(), "score must be finite, also for an empty history"
    assert torch.equal(scores, _score(_build(component, choice), histories(lists, 20), candidates)), (
        "same seed, same scores"
    )
    assert torch.allclose(scores, _score(encoder, histories(lists, 33), candidates), atol=1e-5), (
        "padding must not matter"
    )
    for row, found in enumerate(lists):
        single = one(histories(lists, 20), row)
        alone = _score(encoder, single, candidates[row : row + 1])
        assert torch.allclose(scores[row : row + 1], alone, atol=1e-5), f"history {found} depends on its neighbours"
    if isinstance(encoder, Ranker):
        with torch.inference_mode():
            catalogue = encoder.score_all(histories(lists, 20))
        assert catalogue.shape == (len(lists), N_ITEMS + 1), "score_all must be [B, N + 1]"
        assert torch.allclose(catalogue.gather(1, candidates), scores, atol=1e-5), "score_all must agree with score"
    if "vectors" in component.offers:
        _check_vectors(encoder, component.offers)
    with tempfile.TemporaryDirectory() as folder:
        save_part(Path(folder, "part"), encoder, {"component": choice.dump()})
        torch.manual_seed(99)
        other = component.make(choice.settings, context(seed=99))
        load_part(Path(folder, "part"), other, {"component": choice.dump()})
        other.train(False)
        assert torch.equal(scores, _score(other, histories(lists, 20), candidates)), "save and load must be equal"
    if "next-item" in component.offers:
        _check_next_item(encoder)


def _build(component: Component[Any, Any], choice: Choice) -> Any:
    torch.manual_seed(3)
    encoder = component.make(choice.settings, context())
    if isinstance(encoder, Fittable) and "fit" in component.offers:
        encoder.fit(rows())
    encoder.train(False)
    return encoder


def _score(encoder: Scorer, given: Histories, candidates: Tensor) -> Tensor:
    with torch.inference_mode():
        return encoder.score(given, candidates)


def _check_vectors(encoder: Any, offers: frozenset[str]) -> None:
    """Shapes, and causality: state t does not know items after t."""
    with torch.inference_mode():
        this, other = histories([[1, 2, 3, 4]], 4), histories([[1, 2, 9, 9]], 4)
        assert encoder.user_vectors(this).shape == (1, encoder.width), "user_vectors must be [B, H]"
        assert encoder.item_vectors(torch.tensor([[1, 2]])).shape == (1, 2, encoder.width), (
            "item_vectors must be [..., H]"
        )
        if "states" not in offers:
            return
        states, changed = encoder.states(this), encoder.states(other)
        assert states.shape == (1, 4, encoder.width), "states must be [B, T, H]"
        assert not torch.allclose(states[:, 2:], changed[:, 2:], atol=1e-6), "a state must know its item"
        if "causal" in offers:
            assert torch.allclose(states[:, :2], changed[:, :2], atol=1e-6), "a state must not know later items"


def _check_next_item(encoder: Any) -> None:
    """A loss that is finite, whose gradient moves the encoder, and that goes down on a pattern that repeats."""
    items = torch.tensor([[1, 2, 3, 4, 5, 6], [0, 0, 7, 1, 2, 3], [3, 4, 5, 6, 7, 1]])
    sequences = Sequences(items, torch.tensor([1, 2, 3]), torch.full((3,), 100))
    encoder.train(True)
    optimiser = torch.optim.Adam(encoder.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = encoder.next_item_loss(sequences)
        assert loss.shape == (), "next_item_loss must be one number"
        assert torch.isfinite(loss), "next_item_loss must be finite"
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    encoder.train(False)
    assert sum(losses[-10:]) < sum(losses[:10]), "training on next_item_loss must lower it"
