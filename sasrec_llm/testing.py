"""For plugin authors: run these against your plugin and your component, in any test runner.

from sasrec_llm.testing import check_encoder, check_plugin

def test_plugin():
    check_plugin(my_plugin)
    check_encoder(my_component)
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sasrec_llm.components import KINDS, BuildContext, Component, resolve
from sasrec_llm.interfaces import Fittable, Histories, Ranker, Rows, Scorer
from sasrec_llm.plugins import PluginRow, Plugins
from sasrec_llm.recipe import Choice
from sasrec_llm.train.parts import load_part, save_part

N_USERS, N_ITEMS = 6, 20


def context(**changes: Any) -> BuildContext:
    """A small world: 6 users, 20 items with titles."""
    texts = tuple(f"Item number {item} ({1980 + item})" for item in range(1, N_ITEMS + 1))
    found: dict[str, Any] = {
        "n_users": N_USERS,
        "n_items": N_ITEMS,
        "item_texts": texts,
        "seed": 3,
        "cache": Path(tempfile.gettempdir(), "srl-testing"),
    }
    return BuildContext(**(found | changes))


def histories(lists: Sequence[Sequence[int]], length: int) -> Histories:
    """Item lists, oldest first, as a batch padded on the left to `length`."""
    items = torch.zeros(len(lists), length, dtype=torch.int64)
    for row, found in enumerate(lists):
        if found:
            items[row, length - len(found) :] = torch.tensor(list(found))
    lengths = torch.tensor([len(found) for found in lists])
    users = torch.arange(1, len(lists) + 1) % (N_USERS + 1)
    return Histories(items, lengths, users, torch.full((len(lists),), 1_000))


def rows(seed: int = 0, count: int = 60) -> Rows:
    chance = np.random.default_rng(seed)
    return Rows(
        np.sort(chance.integers(1, N_USERS + 1, count)),
        chance.integers(1, N_ITEMS + 1, count),
        chance.integers(0, 2, count),
        np.arange(count),
    )


def check_plugin(module: object) -> None:
    """The module's hooks exist, and every record it yields can be registered and imported."""
    found = Plugins()
    row = PluginRow("checked", "checked", "0")
    found.add(module, "checked")
    (row,) = found.rows
    assert row.status == "ok", row.error
    assert row.hooks, "the module implements no hook: mark functions with @hookimpl"
    for kind in KINDS:
        for component, _ in found.offers(kind).values():
            for name in ("build", "read", "measure"):
                if hasattr(component, name):
                    resolve(getattr(component, name))
    assert row.status == "ok", row.error


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
        single = Histories(*(part[row : row + 1] for part in _parts(histories(lists, 20))))
        alone = _score(encoder, single, candidates[row : row + 1])
        assert torch.allclose(scores[row : row + 1], alone, atol=1e-5), f"history {found} depends on its neighbours"
    if isinstance(encoder, Ranker):
        with torch.inference_mode():
            catalogue = encoder.score_all(histories(lists, 20))
        assert catalogue.shape == (len(lists), N_ITEMS + 1), "score_all must be [B, N + 1]"
        assert torch.allclose(catalogue.gather(1, candidates), scores, atol=1e-5), "score_all must agree with score"
    if "vectors" in component.offers:
        _check_vectors(encoder)
    with tempfile.TemporaryDirectory() as folder:
        save_part(Path(folder, "part"), encoder, {"component": choice.dump()})
        torch.manual_seed(99)
        other = component.make(choice.settings, context(seed=99))
        load_part(Path(folder, "part"), other, {"component": choice.dump()})
        other.train(False)
        assert torch.equal(scores, _score(other, histories(lists, 20), candidates)), "save and load must be equal"


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


def _parts(given: Histories) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return given.items, given.lengths, given.users, given.times


def _check_vectors(encoder: Any) -> None:
    """Shapes, and causality: state t does not know items after t."""
    with torch.inference_mode():
        one, two = histories([[1, 2, 3, 4]], 4), histories([[1, 2, 9, 9]], 4)
        states, changed = encoder.states(one), encoder.states(two)
        assert states.shape == (1, 4, encoder.width), "states must be [B, T, H]"
        assert torch.allclose(states[:, :2], changed[:, :2], atol=1e-6), "a state must not know later items"
        assert not torch.allclose(states[:, 2:], changed[:, 2:], atol=1e-6), "a state must know its item"
        assert encoder.user_vectors(one).shape == (1, encoder.width), "user_vectors must be [B, H]"
        assert encoder.item_vectors(torch.tensor([[1, 2]])).shape == (1, 2, encoder.width), (
            "item_vectors must be [..., H]"
        )


__all__ = ["check_encoder", "check_plugin", "context", "histories", "rows"]
