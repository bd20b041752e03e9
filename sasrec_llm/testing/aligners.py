"""The promises of an aligner."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sasrec_llm.components import Component
from sasrec_llm.plugins import Plugins, plugins
from sasrec_llm.recipe import Choice
from sasrec_llm.testing.parts import BESIDE_ALIGNER, build_parts, together
from sasrec_llm.testing.promises import chosen, promise, promised
from sasrec_llm.testing.world import context
from sasrec_llm.train.parts import load_part, save_part

STEPS = 3  # after which whatever started at zero has a gradient


def check_aligner(
    component: Component[Any, Any], settings: Mapping[str, Any] | None = None, known: Plugins | None = None
) -> None:
    """What every aligner promises: K finite tokens as wide as the backbone's for every vector; the same for the same
    seed and any neighbours; if it reads states, none of the padding; all its weights can learn; what is saved is what
    is loaded."""
    with promised("aligner", component.name):
        choice = Choice(component.name, chosen(component.settings, settings))
        world = build_parts(together(component.needs, BESIDE_ALIGNER), context(), known or plugins())
        encoder: Any = world.encoder
        backbone: Any = world.backbone

        def make(seed: int = 3) -> Any:
            torch.manual_seed(seed)
            found = component.make(choice.settings, world)
            found.train(False)
            return found

        aligner = make()
        promise(isinstance(aligner.tokens, int) and aligner.tokens > 0, "tokens is K, how many it makes of a vector")
        promise(isinstance(aligner.reads_states, bool), "reads_states is true or false")
        shape = (2, 3, 4, encoder.width) if aligner.reads_states else (2, 3, encoder.width)
        vectors = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        soft = _call(aligner, vectors)
        wanted = (2, 3, aligner.tokens, backbone.width)
        promise(soft.shape == wanted, f"[..., H] must become [..., K, D]: {wanted}; got {tuple(soft.shape)}")
        promise(torch.isfinite(soft).all(), "tokens must be finite")
        promise(torch.equal(soft, _call(make(), vectors)), "same seed, same tokens")
        alone = _call(aligner, vectors[1:, :1])
        promise(torch.allclose(alone, soft[1:, :1], atol=1e-5), "a vector's tokens depend on its neighbours")
        if aligner.reads_states:
            _check_padding(aligner, vectors)
        _check_learning(make(), vectors)
        with tempfile.TemporaryDirectory() as folder:
            save_part(Path(folder, "part"), aligner, {"component": choice.dump()})
            other = make(seed=99)
            load_part(Path(folder, "part"), other, {"component": choice.dump()})
            promise(torch.equal(soft, _call(other, vectors)), "save and load must be equal")


def _call(aligner: Any, vectors: Tensor, known: Tensor | None = None) -> Tensor:
    with torch.inference_mode():
        return aligner(vectors) if known is None else aligner(vectors, known)  # type: ignore[no-any-return]


def _check_padding(aligner: Any, states: Tensor) -> None:
    known = torch.ones(states.shape[:-1], dtype=torch.bool)
    known[..., :2] = False
    changed = states.clone()
    changed[..., :2, :] = 9.0
    read = _call(aligner, states, known)
    promise(torch.allclose(read, _call(aligner, changed, known), atol=1e-5), "states that are not known must not count")
    nothing = _call(aligner, states, torch.zeros_like(known))
    promise(torch.isfinite(nothing).all(), "tokens must be finite, also where no state is known")


def _check_learning(aligner: Any, vectors: Tensor) -> None:
    weights = dict(aligner.named_parameters())
    promise(weights, "an aligner has parameters; it is an nn.Module")
    target = torch.randn(_call(aligner, vectors).shape, generator=torch.Generator().manual_seed(1))
    optimiser = torch.optim.Adam(weights.values(), lr=1e-2)
    losses = []
    for _ in range(STEPS):
        loss = (aligner(vectors) - target).pow(2).mean()
        optimiser.zero_grad()
        loss.backward()
        unused = [name for name, weight in weights.items() if weight.grad is None]
        promise(not unused, f"no gradient reaches {', '.join(unused)}")
        optimiser.step()
        losses.append(float(loss.detach()))
    promise(losses[-1] < losses[0], "training must bring the tokens nearer to what is wanted")
