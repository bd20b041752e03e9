"""What makes training fast on a CPU changes no figure: each fast path beside the plain one."""

from __future__ import annotations

import platform
import statistics
from typing import Any

import pytest
import torch

from sasrec_llm.devices import keep_freed_memory
from sasrec_llm.dropout import Dropout, keep, scaled
from sasrec_llm.encoders import dot_product
from sasrec_llm.encoders.attention import attend, bias
from sasrec_llm.encoders.linear import Linear
from sasrec_llm.interfaces import Histories, Sequences
from sasrec_llm.interfaces.batches import by_length
from sasrec_llm.plugins import Plugins
from sasrec_llm.testing import context
from sasrec_llm.train.optimiser import RowAdamW


def masked(batch: int, length: int) -> torch.Tensor:
    """Causal, and the first places of some rows are padding."""
    padding = torch.arange(length) < torch.randint(0, length, (batch, 1))
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    return bias((causal & ~padding[:, None, :]) | torch.eye(length, dtype=torch.bool))


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("p", [0.0, 0.3])
def test_attention_with_dropout_is_the_formula(heads: int, p: float) -> None:
    torch.manual_seed(3)
    given = torch.randn(4, 6, 3, heads, 5, dtype=torch.float64, requires_grad=True)
    mask = masked(4, 6).double()
    direction = torch.randn(4, 6, heads, 5, dtype=torch.float64)

    def plain() -> torch.Tensor:
        found = []
        for head in range(heads):
            q, k, v = given[:, :, :, head].unbind(2)
            weight = torch.softmax(q @ k.transpose(1, 2) / 5**0.5 + mask, -1)
            found.append((weight * scaled(keep(weight.shape, p), p, weight.dtype)) @ v)
        return torch.stack(found, dim=2)

    results = []
    for way in (lambda: attend(given, mask, p), plain):
        torch.manual_seed(5)
        found = way()
        results.append((found, torch.autograd.grad((found * direction).sum(), given)[0]))
    for fast, slow in zip(*results, strict=True):
        assert torch.allclose(fast, slow, atol=1e-12)
    torch.manual_seed(5)
    with torch.no_grad():
        assert torch.allclose(attend(given, mask, p), results[1][0], atol=1e-12)


@pytest.mark.parametrize("rows", [7, 128], ids=["a part", "a whole batch"])
def test_a_layer_is_that_of_pytorch_with_its_gradient(rows: int) -> None:
    torch.manual_seed(2)
    layer, x = Linear(48, 96), torch.randn(rows, 5, 48, requires_grad=True)
    direction = torch.randn(rows, 5, 96)
    wanted = [x, layer.weight, layer.bias]
    results = []
    for way in (layer, super(Linear, layer).forward):
        found = way(x)
        results.append([found, *torch.autograd.grad((found * direction).sum(), wanted)])
    for fast, slow in zip(*results, strict=True):
        assert torch.allclose(fast, slow, atol=1e-4, rtol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16, "where bf16 is asked for, it is bf16"


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    layer, x = Dropout(0.2), torch.randn(400, 501, requires_grad=True)
    torch.manual_seed(1)
    found = layer(x)
    dropped = found == 0
    assert dropped.float().mean() == pytest.approx(0.2, abs=0.003)
    assert dropped.float().mean(0).std() < 0.03, "no column is dropped more than others"
    assert torch.allclose(found[~dropped], x[~dropped] / 0.8)
    (gradient,) = torch.autograd.grad(found.sum(), x)
    assert torch.equal(gradient == 0, dropped)
    assert not torch.equal(layer(x) == 0, dropped)
    torch.manual_seed(1)
    assert torch.equal(layer(x), found), "as PyTorch's generator was seeded"
    assert torch.equal(layer.eval()(x), x)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("name", ["sasrec", "gru4rec", "bert4rec"])
def test_a_user_vector_is_the_last_state(
    name: str, heads: int, builtins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    component = builtins.get("encoders", name)
    extra = {} if name == "gru4rec" else {"heads": heads}
    encoder = component.make(component.settings(width=8, max_length=6, **extra), context()).eval()
    items = torch.randint(1, 20, (9, 8))
    items[torch.arange(8) < torch.tensor([0, 8, 1, 2, 3, 4, 7, 6, 3])[:, None]] = 0
    given = Histories(items, (items != 0).sum(1), torch.arange(9), torch.arange(9))
    plain = encoder.newest(given) if name == "bert4rec" else encoder.states(given)[:, -1]
    for work in (1, 1000, 10**9):
        monkeypatch.setattr(dot_product, "WORK", work)
        assert torch.allclose(encoder.user_vectors(given), plain, atol=1e-5)
    assert encoder.user_vectors(given.pick(slice(0, 0))).shape == (0, 8)


def test_sequences_of_one_length_come_in_parts_whose_products_come_again() -> None:
    lengths = torch.tensor([50] * 500 + [7] * 3 + [20] * 300)
    items = (torch.arange(50) >= 50 - lengths[:, None]).long()
    parts = list(by_length(items, dot_product.WORK))
    assert torch.cat([rows for rows, _ in parts]).sort().values.tolist() == list(range(803))
    assert [(len(rows), length) for rows, length in parts] == [(303, 20), *[(128, 50)] * 3, (116, 50)]
    assert sum(len(rows) * length * (length + 80) for rows, length in parts[:1]) <= dot_product.WORK


@pytest.mark.parametrize("name", ["sasrec", "gru4rec", "bert4rec"])
def test_parts_of_a_batch_are_the_batch(name: str, builtins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    component = builtins.get("encoders", name)
    extra: dict[str, Any] = {"mask_prob": 1.0, "mask_last": 0.0} if name == "bert4rec" else {}
    encoder = component.make(component.settings(width=8, max_length=6, dropout=0.0, **extra), context())
    items = torch.randint(1, 20, (9, 8))
    items[torch.arange(8) < torch.tensor([0, 0, 1, 2, 3, 4, 5, 6, 3])[:, None]] = 0
    sequences = Sequences(items, torch.arange(9), torch.arange(9))
    results = []
    for work in (10**9, 1000, 1):
        monkeypatch.setattr(dot_product, "WORK", work)
        parts = list(dot_product.in_parts(sequences))
        assert sum(len(part.items) for part in parts) == 9
        assert all((part.items[:, 0] != 0).any() for part in parts), "no column of padding alone"
        encoder.zero_grad()
        loss = encoder.next_item_loss(sequences)
        loss.backward()
        results.append([loss, *(weight.grad for weight in encoder.parameters())])
    assert len(parts) == 9, "each alone"
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            assert one is two is None or torch.allclose(one, two, atol=1e-6)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have no such setting")
def test_a_step_asks_the_system_for_no_memory(builtins: Plugins) -> None:
    import resource

    keep_freed_memory()
    component = builtins.get("encoders", "sasrec")
    encoder = component.make(component.settings(width=64, max_length=50, loss="bce", negatives=1), context())
    sequences = Sequences(torch.randint(1, 20, (128, 51)), torch.arange(128), torch.arange(128))
    pages = []
    for _ in range(25):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        encoder.next_item_loss(sequences).backward()
        pages.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    assert statistics.median(pages[5:]) < 100, "as it comes: thousands"


def test_the_fused_step_is_that_of_pytorch() -> None:
    torch.manual_seed(4)
    start, gradients = torch.randn(50, 8), torch.randn(20, 50, 8)
    found = []
    for make in (
        lambda weights: RowAdamW(weights, lr=1e-2, weight_decay=0.1, fused=True),
        lambda weights: torch.optim.AdamW(weights, lr=1e-2, weight_decay=0.1, fused=False),
    ):
        weight = torch.nn.Parameter(start.clone())
        optimiser = make([weight])
        for gradient in gradients:
            weight.grad = gradient
            optimiser.step()
        found.append(weight.detach())
    assert torch.allclose(*found, atol=1e-6)
