"""The promises of an encoder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sasrec_llm.components import BuildContext, Component
from sasrec_llm.interfaces import Fittable, Histories, Ranker, Scorer
from sasrec_llm.plugins import Plugins, plugins
from sasrec_llm.recipe import Choice
from sasrec_llm.strategies.learning import like_loss
from sasrec_llm.testing.parts import build_parts
from sasrec_llm.testing.promises import chosen, promise, promised
from sasrec_llm.testing.world import LISTS, N_ITEMS, context, examples, histories, one, rows, sequences
from sasrec_llm.train.parts import load_part, save_part


def check_encoder(
    component: Component[Any, Any], settings: Mapping[str, Any] | None = None, known: Plugins | None = None
) -> None:
    """What every encoder promises: finite scores, also for an empty history; the same for the same seed; the same for
    any padding and any neighbours; of the whole catalogue as of some of it; and what is saved is what is loaded.
    `known` are the plugins whose parts it may need; by default the installed ones."""
    with promised("encoder", component.name):
        choice = Choice(component.name, chosen(component.settings, settings))
        _check(component, choice, build_parts(component.needs, context(), known or plugins()))


def _check(component: Component[Any, Any], choice: Choice, world: BuildContext) -> None:
    encoder = _build(component, choice, world)
    candidates = torch.tensor([[1, 2, 20], [3, 4, 20], [5, 5, 20], [7, 8, 20]])
    scores = _score(encoder, histories(LISTS, 20), candidates)
    promise(scores.shape == candidates.shape, f"score must be [B, C]; got {tuple(scores.shape)}")
    promise(torch.isfinite(scores).all(), "score must be finite, also for an empty history")
    again = _score(_build(component, choice, world), histories(LISTS, 20), candidates)
    promise(torch.equal(scores, again), "same seed, same scores")
    padded = _score(encoder, histories(LISTS, 33), candidates)
    promise(torch.allclose(scores, padded, atol=1e-5), "padding must not matter")
    for row, found in enumerate(LISTS):
        single = one(histories(LISTS, 20), row)
        alone = _score(encoder, single, candidates[row : row + 1])
        promise(torch.allclose(scores[row], alone[0], atol=1e-5), f"history {found} depends on its neighbours")
    if isinstance(encoder, Ranker):
        with torch.inference_mode():
            catalogue = encoder.score_all(histories(LISTS, 20))
        promise(catalogue.shape == (len(LISTS), N_ITEMS + 1), "score_all must be [B, N + 1]")
        promise(torch.allclose(catalogue.gather(1, candidates), scores, atol=1e-5), "score_all must agree with score")
    if "vectors" in component.offers:
        _check_vectors(encoder, component.offers)
    with tempfile.TemporaryDirectory() as folder:
        save_part(Path(folder, "part"), encoder, {"component": choice.dump()})
        torch.manual_seed(99)
        other = component.make(choice.settings, replace(world, seed=99))
        load_part(Path(folder, "part"), other, {"component": choice.dump()})
        other.train(False)
        loaded = _score(other, histories(LISTS, 20), candidates)
        promise(torch.equal(scores, loaded), "save and load must be equal")
    if "like" in component.offers:
        _check_learning(encoder, "the loss of likes and dislikes", lambda: like_loss(encoder, examples()))
    if "next-item" in component.offers:
        _check_learning(encoder, "next_item_loss", lambda: encoder.next_item_loss(sequences()))


def _build(component: Component[Any, Any], choice: Choice, world: BuildContext) -> Any:
    torch.manual_seed(3)
    encoder = component.make(choice.settings, world)
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
        promise(encoder.user_vectors(this).shape == (1, encoder.width), "user_vectors must be [B, H]")
        vectors = encoder.item_vectors(torch.tensor([[1, 2]]))
        promise(vectors.shape == (1, 2, encoder.width), "item_vectors must be [..., H]")
        if "states" not in offers:
            return
        states, changed = encoder.states(this), encoder.states(other)
        promise(states.shape == (1, 4, encoder.width), "states must be [B, T, H]")
        promise(not torch.allclose(states[:, 2:], changed[:, 2:], atol=1e-6), "a state must know its item")
        if "causal" in offers:
            same = torch.allclose(states[:, :2], changed[:, :2], atol=1e-6)
            promise(same, "a state must not know later items, as `causal` says")


def _check_learning(encoder: Any, what: str, loss_of: Callable[[], Tensor]) -> None:
    """A loss that is finite, whose gradient moves the encoder, and that goes down on a few rows that repeat."""
    weights = list(encoder.parameters())
    promise(weights, "an encoder that learns has parameters")
    encoder.train(True)
    optimiser = torch.optim.Adam(weights, lr=1e-2)
    losses = []
    for _ in range(60):
        loss = loss_of()
        promise(loss.shape == (), f"{what} must be one number")
        promise(torch.isfinite(loss), f"{what} must be finite")
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))
    encoder.train(False)
    promise(sum(losses[-10:]) < sum(losses[:10]), f"training on {what} must lower it")
