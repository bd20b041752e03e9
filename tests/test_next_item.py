"""The losses of next-item learning, against what they claim to be."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sasrec_llm.encoders.drawing import Drawing
from sasrec_llm.encoders.next_item import CHUNK, NextItemLoss, SoftmaxLoss
from sasrec_llm.encoders.settings import NextItemSettings

N, H = 40, 8
LOSSES = ("softmax", "sampled-softmax", "gbce")
POPULARITY = torch.arange(N + 1) * 7 % 23
SOME = torch.tensor([3, 5, 8, 13, 21, 34])


def loss(**settings: Any) -> NextItemLoss:
    return NextItemLoss(settings=NextItemSettings(**settings), n_items=N, popularity=POPULARITY)


def world(rows: int, among: Tensor | None = None, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """States, a table and targets."""
    chance = torch.Generator().manual_seed(1)
    states = torch.randn(rows, H, generator=chance, dtype=dtype).requires_grad_()
    table = torch.randn(N + 1, H, generator=chance, dtype=dtype).requires_grad_()
    items = torch.arange(1, N + 1) if among is None else among
    return states, table, items[torch.randint(len(items), (rows,), generator=chance)]


def gradients(value: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(value, of)


@pytest.mark.parametrize("rows", [1, CHUNK, 2 * CHUNK + 3])
def test_softmax_in_chunks_is_cross_entropy_with_its_gradient(rows: int) -> None:
    states, table, targets = world(rows)
    ours, plain = loss()(states, table, targets), F.cross_entropy(states @ table[1:].T, targets - 1)
    assert torch.allclose(ours, plain, atol=1e-5)
    for mine, other in zip(gradients(3 * ours, states, table), gradients(3 * plain, states, table), strict=True):
        assert torch.allclose(mine, other, atol=1e-5)


def test_the_gradient_of_softmax_in_64_bits() -> None:
    states, table, targets = world(5, dtype=torch.float64)
    ours = gradients(SoftmaxLoss.apply(states, table, targets), states, table)  # type: ignore[no-untyped-call]
    plain = gradients(F.cross_entropy(states @ table.T, targets), states, table)
    for mine, other in zip(ours, plain, strict=True):
        assert torch.allclose(mine, other, atol=1e-12)


def test_only_some_items_compete() -> None:
    states, table, targets = world(300, among=SOME)
    some = loss()
    some.learn_only(SOME)
    place = torch.searchsorted(SOME, targets)
    ours, plain = some(states, table, targets), F.cross_entropy(states @ table[SOME].T, place)
    assert torch.allclose(ours, plain, atol=1e-5)
    for mine, other in zip(gradients(ours, states, table), gradients(plain, states, table), strict=True):
        assert torch.allclose(mine, other, atol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_items_that_do_not_compete_have_no_gradient(name: str) -> None:
    states, table, targets = world(300, among=SOME)
    some = loss(loss=name, negatives=64)
    some.learn_only(SOME)
    (of_table,) = gradients(some(states, table, targets), table)
    touched = of_table.abs().sum(1) > 0
    assert touched[SOME].all()
    assert int(touched.sum()) == len(SOME), "all others, and padding, are exactly zero"


@pytest.mark.parametrize("popularity", [POPULARITY, None], ids=["by popularity", "uniform"])
def test_sampled_softmax_estimates_the_sum_over_all_items_without_bias(popularity: Tensor | None) -> None:
    """The loss of one row is log Ẑ - s_y. The mean of Ẑ over many draws is Z, though the mean of the loss is not."""
    sampled = NextItemLoss(
        settings=NextItemSettings(loss="sampled-softmax", negatives=20), n_items=N, popularity=popularity
    )
    states, table, targets = world(1)
    torch.manual_seed(0)
    with torch.no_grad():
        logits = states @ table[1:].T
        wanted = logits[0, targets[0] - 1]
        found = torch.stack([(sampled(states, table, targets) + wanted).exp() for _ in range(6000)])
        error = float(found.std()) / len(found) ** 0.5
        exact = float(logits.exp().sum())
    assert error < 0.03 * exact
    assert abs(float(found.mean()) - exact) < 4 * error


def test_gbce_without_calibration_is_binary_cross_entropy(monkeypatch: pytest.MonkeyPatch) -> None:
    states, table, targets = world(30)
    drawn = torch.tensor([0, 4, 9, 9, 39])
    monkeypatch.setattr(Drawing, "draw", lambda *_: (drawn + 1, drawn))
    ours = loss(loss="gbce", negatives=5, calibration=0)(states, table, targets)
    candidates = torch.cat([targets[:, None], (drawn + 1).expand(30, -1)], dim=1)
    logits = torch.einsum("bh,bch->bc", states, table[candidates])
    labels = torch.zeros_like(logits)
    labels[:, 0] = 1
    counts = torch.ones_like(logits)
    counts[:, 1:] = (candidates[:, 1:] != targets[:, None]).float()  # what is right is not wrong when it is drawn
    plain = F.binary_cross_entropy_with_logits(logits, labels, counts, reduction="sum") / logits.numel()
    assert (counts == 0).any(), "the case is among them"
    assert torch.allclose(ours, plain, atol=1e-6)


def test_gbce_weighs_the_right_item_by_beta(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fully calibrated, β is the share of the other items that are drawn: 5 of 39."""
    states, table, _ = world(30)
    targets = torch.full((30,), 20)
    drawn = torch.tensor([1, 2, 3, 4, 5])
    monkeypatch.setattr(Drawing, "draw", lambda *_: (drawn, drawn))
    ours = loss(loss="gbce", negatives=5, calibration=1)(states, table, targets)
    right, wrong = F.softplus(-states @ table[20]), F.softplus(states @ table[1:6].T).sum(1)
    assert torch.allclose(ours, ((5 / 39 * right + wrong) / 6).mean(), atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_around_it_changes_nothing(name: str) -> None:
    """A GPU computes in bf16 around the loss; the loss itself does not."""
    found = []
    for half in (False, True):
        states, table, targets = world(300)
        torch.manual_seed(0)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            value = loss(loss=name, negatives=16)(states, table, targets)
        found.append((value.detach(), *gradients(value, states, table)))
    for plain, mixed in zip(*found, strict=True):
        assert torch.equal(plain, mixed)


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_without_targets_has_a_loss_and_a_gradient(name: str) -> None:
    states, table, targets = world(0)
    value = loss(loss=name)(states, table, targets)
    assert float(value.detach()) == 0
    assert not gradients(value, table)[0].any()
