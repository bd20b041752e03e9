"""The encoder as a plugin, against its equations, and at work."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import srl_hstu
import torch
from srl_hstu.block import Block
from srl_hstu.encoder import build

from sasrec_llm import Sequences
from sasrec_llm.testing import check_encoder, check_plugin, context, histories, run_recipe

(COMPONENT,) = srl_hstu.srl_encoders()
(RECIPES,) = srl_hstu.srl_recipes()


@pytest.mark.parametrize("settings", [{}, {"width": 12, "heads": 3, "blocks": 1, "max_length": 4}])
def test_it_keeps_the_promises_of_an_encoder(settings: dict[str, int]) -> None:
    check_plugin(srl_hstu)
    check_encoder(COMPONENT, settings)


def test_a_layer_is_what_its_equations_say() -> None:
    """One number wide, two places, everything by hand: f1 = (u, v, q, k) = (1, 2, 3, 4) · normed + (.1, .2, .3, .4)."""
    layer = Block(width=1, heads=1, dropout=0.0, max_length=2)
    with torch.no_grad():
        layer.f1.weight[:] = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
        layer.f1.bias[:] = torch.tensor([0.1, 0.2, 0.3, 0.4])
        layer.rab[:] = torch.tensor([0.5, -0.5])
        layer.f2.weight[:], layer.f2.bias[:] = 1.0, 0.25
        layer.norm = layer.attended_norm = torch.nn.Identity()  # a norm over one number is 0
        found = layer(torch.tensor([[[0.3], [-0.7]]]), torch.ones(1, 2, 2, dtype=torch.bool).tril())

    def silu(x: float) -> float:
        return x / (1 + math.exp(-x))

    (u0, v0, q0, k0), (u1, v1, q1, k1) = (
        [silu(weight * x + 0.1 * weight) for weight in (1, 2, 3, 4)] for x in (0.3, -0.7)
    )
    first = silu(q0 * k0 + 0.5) * v0
    second = silu(q1 * k0 - 0.5) * v0 + silu(q1 * k1 + 0.5) * v1
    assert found.flatten().tolist() == pytest.approx([0.3 + first * u0 + 0.25, -0.7 + second * u1 + 0.25])


def test_it_learns_what_follows_what() -> None:
    torch.manual_seed(0)
    encoder = build(srl_hstu.HSTUSettings(width=16, blocks=1, dropout=0.0, max_length=8), context())
    items = (torch.arange(20)[:, None] + torch.arange(9)) % 20 + 1  # 20 comes after 19, and 1 after 20
    optimiser = torch.optim.Adam(encoder.parameters(), lr=1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        encoder.next_item_loss(Sequences(items, torch.arange(20), torch.zeros(20))).backward()
        optimiser.step()
    scores = encoder.score_all(histories([[18, 19], [18, 19, 20]], 8))
    assert scores.argmax(1).tolist() == [20, 1]


def test_only_items_that_compete_are_learned_against_and_nothing_is_learned_of_nothing() -> None:
    torch.manual_seed(0)
    encoder = build(srl_hstu.HSTUSettings(width=8), context())
    encoder.learn_only(torch.tensor([1, 2, 3]))
    one = Sequences(torch.tensor([[1, 2, 3]]), torch.tensor([1]), torch.tensor([0]))
    encoder.next_item_loss(one).backward()
    moved = encoder.items.weight.grad.abs().sum(1) > 0
    assert moved.nonzero().flatten().tolist() == [1, 2, 3]
    nothing = Sequences(torch.tensor([[0, 0, 3]]), torch.tensor([1]), torch.tensor([0]))
    assert encoder.next_item_loss(nothing).item() == 0


def test_its_recipe_is_found_and_trains_an_epoch(tmp_path: Path) -> None:
    def srl(*arguments: str) -> str:
        environment = {**os.environ, "SRL_DISABLE_PLUGINS": "mlflow", "SRL_DATA": "data", "SRL_RUNS": "runs"}
        command = [sys.executable, "-m", "sasrec_llm", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    recipe = str(RECIPES / "hstu.toml")
    assert recipe in {found["path"] for found in json.loads(srl("recipes", "list", "--json"))}
    figures = run_recipe(RECIPES / "hstu.toml", changes=["stages.encoder.epochs=1"])
    assert (figures["hr@10"] or 0) > 0
