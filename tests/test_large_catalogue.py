"""What a large catalogue needs: rows that learn alone, items drawn at a constant price, memory that is known before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor, nn

from sasrec_llm.components import BuildContext
from sasrec_llm.encoders import bert4rec, gru4rec, mf, sasrec
from sasrec_llm.encoders.drawing import Drawing
from sasrec_llm.encoders.next_item import NextItemLoss
from sasrec_llm.encoders.settings import (
    BERT4RecSettings,
    GRU4RecSettings,
    MFSettings,
    NextItemSettings,
    SASRecSettings,
)
from sasrec_llm.interfaces import Sequences
from sasrec_llm.train.memory import memory
from sasrec_llm.train.optimiser import RowAdamW

N = 60
LIKES = torch.arange(N + 1) ** 2 % 97
SOME = torch.tensor([3, 5, 8, 13, 21, 34])
ENCODERS: dict[str, tuple[Any, type[NextItemSettings]]] = {
    "sasrec": (sasrec, SASRecSettings),
    "bert4rec": (bert4rec, BERT4RecSettings),
    "gru4rec": (gru4rec, GRU4RecSettings),
    "mf": (mf, MFSettings),
}


@pytest.mark.parametrize("items", [None, SOME], ids=["all", "some"])
@pytest.mark.parametrize("popularity", [None, LIKES], ids=["evenly", "by popularity"])
def test_items_are_drawn_as_often_as_is_said(items: Tensor | None, popularity: Tensor | None) -> None:
    torch.manual_seed(3)
    among = torch.arange(1, N + 1) if items is None else items
    wanted = torch.ones(len(among)).double() if popularity is None else (popularity[among].double() + 1) ** 0.75
    wanted /= wanted.sum()
    drawn, q = Drawing(n_items=N, items=items, popularity=popularity).draw(200_000)
    counts = torch.bincount(drawn, minlength=N + 1)
    assert int(counts[among].sum()) == len(drawn), "and no other"
    assert chisquare(counts[among].numpy(), (wanted * len(drawn)).numpy()).pvalue > 0.001
    said = torch.zeros(N + 1).index_put((drawn,), q)
    assert torch.allclose(said[among].double(), wanted, rtol=1e-5)


def test_more_items_than_torch_can_draw_from() -> None:
    """torch.multinomial ends at 2^24."""
    count = 2**24 + 9
    drawn, q = Drawing(n_items=count, items=None, popularity=torch.zeros(count + 1, dtype=torch.int8)).draw(1000)
    assert drawn.min() >= 1
    assert drawn.max() <= count
    assert torch.allclose(q, torch.tensor(1 / count), rtol=1e-3)


def trained(name: str, steps: int, n_items: int = N, **settings: Any) -> tuple[Any, RowAdamW]:
    build, of = ENCODERS[name]
    torch.manual_seed(0)
    context = BuildContext(n_users=8, n_items=n_items, item_texts=(), seed=0, cache=Path())
    encoder = build.build(of(loss="gbce", negatives=4, dropout=0, **settings), context)
    optimiser = RowAdamW(encoder.parameters(), lr=0.01, weight_decay=0.1)
    for step in range(steps):
        torch.manual_seed(step)
        sequences = Sequences(torch.randint(1, N + 1, (6, 5)), torch.arange(1, 7), torch.zeros(6))
        encoder.next_item_loss(sequences).backward()
        optimiser.clip(0.1)
        optimiser.step()
        optimiser.zero_grad()
    return encoder, optimiser


@pytest.mark.parametrize("name", ENCODERS)
def test_only_rows_that_are_read_change(name: str) -> None:
    before, after = (trained(name, steps, sparse=True)[0].items.weight for steps in (0, 1))
    plain = trained(name, 1)[0].items.weight
    moved = (after != before).any(1)
    assert 4 < int(moved.sum()) < N / 1.5
    assert torch.allclose(after[moved], plain[moved], atol=1e-6), "and they do as without"
    assert not after[0].any()


def tables(count: int, reads: Callable[[int], Tensor]) -> list[tuple[Tensor, RowAdamW, list[float]]]:
    """A sparse table and a dense one after `count` steps that read the same rows."""
    found = []
    for sparse in (True, False):
        torch.manual_seed(0)
        table = nn.Embedding(9, 4, sparse=sparse)
        beside = nn.Parameter(torch.randn(4))
        optimiser = RowAdamW([*table.parameters(), beside], lr=0.05, weight_decay=0.02)
        norms = []
        for step in range(count):
            optimiser.zero_grad()
            (table(reads(step)) * beside).sin().sum().backward()
            norms.append(optimiser.clip(0.5))
            optimiser.step()
        found.append((table.weight.detach(), optimiser, norms))
    return found


def test_rows_that_are_all_read_learn_as_adamw_does() -> None:
    (rows, one, mine), (dense, other, others) = tables(
        40, lambda step: torch.cat([torch.arange(9), torch.arange(step)]) % 9
    )
    assert max(others) > 0.5, "clipping is part of it"
    assert torch.allclose(rows, dense, atol=1e-5)
    assert mine == pytest.approx(others, rel=1e-4)
    states = one.state_dict()["state"], other.state_dict()["state"]
    assert states[0].keys() == states[1].keys()
    assert all(states[0][at].keys() == states[1][at].keys() for at in states[0])


def test_a_norm_that_is_not_finite_is_told() -> None:
    table = nn.Embedding(5, 2, sparse=True)
    optimiser = RowAdamW(table.parameters())
    (table(torch.tensor([2])) * torch.inf).sum().backward()
    assert not torch.isfinite(torch.tensor(optimiser.clip(1.0)))


def test_a_loss_that_reads_every_row_is_refused() -> None:
    with pytest.raises(ValueError, match="sparse has no use with loss = 'softmax'"):
        SASRecSettings(sparse=True)


@pytest.mark.parametrize("loss", ["gbce", "sampled-softmax", "bce"])
def test_a_step_reads_no_more_rows_than_is_said(loss: Any) -> None:
    asked: list[int] = []
    table = torch.randn(N + 1, 3)

    def rows(items: Tensor) -> Tensor:
        asked.append(items.numel())
        return table[items]

    of = NextItemLoss(settings=NextItemSettings(loss=loss, negatives=7), n_items=N, popularity=None)
    of(torch.randn(11, 3), rows, torch.randint(1, N + 1, (11,)))
    assert sum(asked) == of.rows_of(11)


@pytest.mark.parametrize("name", ENCODERS)
def test_gradients_are_no_larger_than_is_said(name: str) -> None:
    encoder, _ = trained(name, 0, sparse=True, width=64)
    sequences = Sequences(torch.randint(1, N + 1, (6, 5)), torch.arange(1, 7), torch.zeros(6))
    encoder.next_item_loss(sequences).backward()
    held = sum(
        weight.grad._values().nbytes + weight.grad._indices().nbytes if weight.grad.is_sparse else weight.grad.nbytes
        for weight in encoder.parameters()
    )
    assert held / 2**20 < memory([encoder], 6).gradients_mb + 0.05


def test_a_million_items_by_arithmetic() -> None:
    """256 MB of weights and twice as many of moments; gradients of 4096 places, their targets and 4 drawn items."""
    shape = {"n_items": 10**6, "width": 64, "max_length": 32}
    with torch.device("meta"):
        plain, sparse = (trained("sasrec", 0, **shape, sparse=on)[0] for on in (False, True))
    for encoder, gradients in ((plain, 244.3), (sparse, 2.3)):
        found = memory([encoder], 128)
        assert found.weights_mb == pytest.approx(244.3, abs=0.1)
        assert found.optimiser_mb == pytest.approx(488.6, abs=0.2)
        assert found.gradients_mb == pytest.approx(gradients, abs=0.2)
