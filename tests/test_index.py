"""An export that answers by an index: nearly the exact answer, never what was seen."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sasrec_llm.answering.index import FILE, Index, new_index, read_index
from sasrec_llm.errors import DamagedError, UsageError
from sasrec_llm.interfaces import Histories
from sasrec_llm.strategies.ranking import best
from sasrec_llm.testing import histories

N, H, K = 20_000, 16, 10


class Vectors:
    """Items in clouds, of unlike length, and users near to them."""

    def __init__(self) -> None:
        chance = torch.Generator().manual_seed(0)
        clouds = torch.randn(80, H, generator=chance)
        near = [clouds[torch.randint(80, (count,), generator=chance)] for count in (N + 1, 64)]
        self.items = near[0] + torch.randn(N + 1, H, generator=chance) / 2
        self.items *= 0.5 + torch.rand(N + 1, 1, generator=chance)
        self.users = near[1] + torch.randn(64, H, generator=chance) / 2

    def factors(self, given: Histories) -> tuple[Tensor, Tensor]:
        return self.users[given.users - 1], self.items

    def score(self, given: Histories, candidates: Tensor) -> Tensor:
        return torch.einsum("bh,bch->bc", self.users[given.users - 1], self.items[candidates])


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return Vectors()


@pytest.fixture(scope="module")
def index(vectors: Vectors) -> Index:
    return new_index(vectors.items[1:].contiguous())


def ask(count: int) -> Histories:
    found = histories([[number + 1] for number in range(count)], 1)
    found.users.copy_(torch.arange(1, count + 1))
    return found


def hits(found: Tensor, exact: Tensor) -> float:
    return float((exact[:, :, None] == found[:, None]).any(2).float().mean())


def test_the_more_cells_the_nearer_to_the_exact_answer(vectors: Vectors, index: Index) -> None:
    seen = best(vectors, ask(64), 3, torch.zeros(64, 1, dtype=torch.int64), N)[0]  # the very best are not wanted
    exact, scores = best(vectors, ask(64), K, seen, N)
    recalls = []
    for probed in (1, 16, len(index.centres)):
        index.probed = probed
        found, values = index.best(vectors, ask(64), K, seen)
        recalls.append(hits(found, exact))
        assert not (found[:, :, None] == seen[:, None]).any()
        assert torch.allclose(values, vectors.score(ask(64), found), atol=1e-4)
        assert (values.diff(dim=1) <= 0).all()
    assert recalls[0] < recalls[1] <= recalls[2] == 1
    assert recalls[1] > 0.8
    assert torch.allclose(values, scores, atol=1e-4)


def test_who_finds_too_few_is_answered_exactly(vectors: Vectors, index: Index) -> None:
    index.probed = 1
    most = int(torch.bincount(index.cells).max()) + 1
    seen = torch.zeros(3, 1, dtype=torch.int64)
    assert index.best(vectors, ask(3), most, seen)[0].equal(best(vectors, ask(3), most, seen, N)[0])
    everything = torch.arange(1, N + 1).expand(2, -1)
    assert not index.best(vectors, ask(2), 5, everything)[0].any()


def test_what_is_saved_answers_alike(vectors: Vectors, index: Index, tmp_path: Path) -> None:
    index.probed = 4
    index.save(tmp_path)
    again = read_index(tmp_path, vectors.items[1:].contiguous())
    seen = torch.zeros(64, 1, dtype=torch.int64)
    for mine, other in zip(index.best(vectors, ask(64), K, seen), again.best(vectors, ask(64), K, seen), strict=True):
        assert mine.equal(other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cells": torch.full((N,), 10**6, dtype=torch.int32)}, "not of the items"),
        ({"cells": torch.full((N,), -1, dtype=torch.int32)}, "not of the items"),
        ({"cells": torch.zeros(N - 1, dtype=torch.int32)}, "not of the items"),
        ({"centres": torch.zeros(9, H + 1)}, "not of the items"),
        ({"probed": torch.tensor(0)}, "not of the items"),
        ({"probed": torch.zeros(2)}, "is no index: it holds cells, centres, probed"),
    ],
)
def test_an_index_that_would_mislead_faiss_is_refused(
    vectors: Vectors, index: Index, tmp_path: Path, changes: dict[str, Tensor], message: str
) -> None:
    index.save(tmp_path)
    save_file({**load_file(tmp_path / FILE), **changes}, tmp_path / FILE)
    with pytest.raises(DamagedError, match=message):
        read_index(tmp_path, vectors.items[1:])


def test_without_faiss_it_is_said_how_to_get_it(vectors: Vectors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UsageError, match="needs faiss") as caught:
        new_index(vectors.items)
    assert caught.value.hint == "pip install 'sasrec-llm[faiss]'"
