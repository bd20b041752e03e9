"""For plugin authors: run these against your plugin and your component, in any test runner.

from sasrec_llm.testing import check_backbone, check_encoder, check_plugin

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
from numpy.typing import NDArray
from torch import Tensor

from sasrec_llm.components import KINDS, BuildContext, Component, resolve
from sasrec_llm.interfaces import Examples, Fittable, Histories, Ranker, Rows, Scorer, Sequences
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
        "data": SmallData(),
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
    return Histories(items, lengths, users, torch.full((len(lists),), 10_000))


def rows(seed: int = 0, count: int = 60) -> Rows:
    chance = np.random.default_rng(seed)
    return Rows(
        np.sort(chance.integers(1, N_USERS + 1, count)),
        chance.integers(1, N_ITEMS + 1, count),
        chance.integers(0, 2, count),
        np.arange(count),
    )


class SmallData:
    """Train and validation rows of the small world; a row's history is empty."""

    def __init__(self) -> None:
        self._rows = {"train": rows(0), "valid": rows(1)}
        liked = self._rows["train"]
        self.popularity = np.bincount(liked.items, weights=liked.labels, minlength=N_ITEMS + 1).astype(np.int64)

    def rows(self, split: str = "train") -> Rows:
        return self._rows[split]

    def examples(self, split: str, index: NDArray[np.int64], length: int) -> Examples:
        found = self._rows[split]
        users, times = torch.from_numpy(found.users[index]), torch.from_numpy(found.times[index])
        empty = Histories(torch.zeros(len(index), length, dtype=torch.int64), torch.zeros_like(users), users, times)
        return Examples(
            empty, torch.from_numpy(found.items[index])[:, None], torch.from_numpy(found.labels[index]).float()[:, None]
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


def one(given: Histories, row: int) -> Histories:
    """One row of a batch, alone."""
    return Histories(*(getattr(given, name)[row : row + 1] for name in Histories.__slots__))


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


STRANGE = ("", " ", "x", "The <unk> of </s> [MASK] 🎬", "a\nb", "long " * 300, "Item number 1", "Item number 1")


def check_backbone(component: Component[Any, Any], settings: Mapping[str, Any] | None = None) -> None:
    """What every backbone promises: with `texts`, a finite vector for any text, the same in any company; with
    `prompts`, answers that no other row and no padding can change; with `lora`, an adapter to train."""
    choice = Choice(component.name, component.settings.model_validate(dict(settings or {})))
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        backbone, other = (_make_backbone(component, choice, Path(cache)) for cache in (first, second))
        assert backbone.width > 0, "width is the length of a vector, or of a token's embedding"
        if "texts" in component.offers:
            together = backbone.embed_texts(STRANGE)
            assert together.shape == (len(STRANGE), backbone.width), f"[n, D]; got {tuple(together.shape)}"
            assert (together.dtype, together.device.type) == (torch.float32, "cpu"), "float32, on the CPU"
            assert torch.isfinite(together).all(), "finite, also for an empty text"
            assert backbone.embed_texts([]).shape == (0, backbone.width), "no texts, no vectors"
            assert torch.equal(together, backbone.embed_texts(STRANGE)), "the same twice"
            alone = torch.cat([other.embed_texts([text]) for text in STRANGE])
            assert torch.allclose(together, alone, atol=1e-5), "a vector depends on the other texts"
        if "prompts" in component.offers:
            _check_prompts(backbone)
        if "lora" in component.offers:
            assert backbone.lora is not None, "lora by default"
            assert list(backbone.lora.parameters()), "an adapter has parameters"


def _make_backbone(component: Component[Any, Any], choice: Choice, cache: Path) -> Any:
    torch.manual_seed(3)
    backbone = component.make(choice.settings, context(cache=cache))
    backbone.train(False)
    return backbone


@torch.inference_mode()
def _check_prompts(backbone: Any) -> None:
    assert backbone.embedding_scale > 0, "embedding_scale is a standard deviation"
    pieces = backbone.tokenizer.pieces([" The film was", " good", " good and long and good"])
    prompts = [[*backbone.tokenizer.opening("Yes or no?"), *piece] for piece in pieces]
    lengths, answers = torch.tensor([len(ids) for ids in prompts]), torch.tensor([prompts[0][-1], prompts[1][-1]])
    assert int(lengths.max()) < backbone.context, "context is the longest prompt in tokens"
    tokens = torch.full((len(prompts), int(lengths.max()) + 3), prompts[0][-1])  # padding of a kind that would tell
    for row, ids in enumerate(prompts):
        tokens[row, : len(ids)] = torch.tensor(ids)
    embeddings = backbone.embed(tokens)
    assert embeddings.shape == (*tokens.shape, backbone.width), "embed must be [B, L, D]"
    logits = backbone.next_logits(embeddings, lengths, answers)
    assert logits.shape == (len(prompts), len(answers)), "next_logits must be [B, A]"
    for row, ids in enumerate(prompts):
        alone = backbone.next_logits(backbone.embed(torch.tensor([ids])), lengths[row : row + 1], answers)
        assert torch.allclose(logits[row], alone[0], atol=1e-4), "answers depend on padding or on other rows"


__all__ = ["check_backbone", "check_encoder", "check_plugin", "context", "histories", "one", "rows"]
