"""Products by the faster library are as exact as by the other, whatever the processor."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from sasrec_llm import products

AMD = {"cpu_name": "AMD EPYC", "avx512_f": True, "amx_bf16": False}


@pytest.fixture(autouse=True)
def as_on_a_new_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(products, "_askers", 0)
    found_out = products._onednn_is_faster
    found_out.cache_clear()
    yield
    found_out.cache_clear()  # what a test made of this machine


def on(monkeypatch: pytest.MonkeyPatch, **about: object) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: AMD | about, raising=False)


def permitted() -> str:
    return str(torch.backends.mkldnn.matmul.fp32_precision)


@pytest.mark.parametrize("shape", [(256, 64, 3416), (256, 3416, 64), (64, 256, 3416), (512, 384, 2048)])
def test_they_are_float32(shape: tuple[int, int, int]) -> None:
    rows, inner, columns = shape
    chance = torch.Generator().manual_seed(0)
    a, b = torch.randn(rows, inner, generator=chance), torch.randn(inner, columns, generator=chance)
    exact, plain = a.double() @ b.double(), a @ b
    with products.of_one_shape():
        found = a @ b
    error, of_plain = ((one.double() - exact).abs().max() for one in (found, plain))
    assert error < max(4 * of_plain, inner**0.5 * 2**-20), "bf16 would be off by a hundred times as much"


@pytest.mark.parametrize("about", [{"cpu_name": "Intel Xeon"}, {"amx_bf16": True}, {"avx512_f": False}])
def test_a_processor_that_gains_nothing_or_has_amx_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, about: dict[str, object]
) -> None:
    on(monkeypatch, **about)
    before = permitted()
    with products.of_one_shape():
        assert permitted() == before
    products.large_ones(4096)
    assert permitted() == before


def test_one_whose_products_turn_out_to_be_bf16_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch)
    monkeypatch.setattr(torch, "eye", lambda n: torch.ones(n, n))  # what a rounded product would look like
    with products.of_one_shape():
        assert permitted() == "none"


def test_it_ends_with_the_last_that_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_onednn_is_faster", lambda: True)
    inside, done = threading.Event(), threading.Event()

    def other() -> None:
        with products.of_one_shape():
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=other)
    with products.of_one_shape():
        thread.start()
        inside.wait(10)
    assert permitted() == "bf16", "the other thread is still within"
    done.set()
    thread.join()
    assert permitted() == "none"


def test_only_products_of_whole_batches_ask_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_onednn_is_faster", lambda: True)
    for rows, wanted in ((6400, "bf16"), (6401, "none"), (128, "bf16"), (5, "none")):
        with products.of_rows(rows):
            assert permitted() == wanted, rows


class Notices(TorchFunctionMode):
    """What was permitted when a function was called."""

    def __init__(self) -> None:
        self.permitted: dict[Any, str] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.permitted[func] = permitted()
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("width", "wanted"), [(products.MEDIUM - 1, "none"), (products.MEDIUM, "bf16")])
def test_texts_are_read_by_it_but_for_attention(monkeypatch: pytest.MonkeyPatch, width: int, wanted: str) -> None:
    monkeypatch.setattr(products, "_onednn_is_faster", lambda: True)
    x = torch.randn(2, 3, 4, 5)
    with Notices() as noticed, products.of_texts(width):
        F.scaled_dot_product_attention(x, x, x, is_causal=True)
        F.linear(x, x[0, 0])
    assert noticed.permitted[F.scaled_dot_product_attention] == "none"
    assert noticed.permitted[F.linear] == wanted
    assert permitted() == "none"


def test_a_wide_model_asks_for_the_whole_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_onednn_is_faster", lambda: True)
    products.large_ones(products.WIDE - 1)
    assert permitted() == "none"
    products.large_ones(products.WIDE)
    try:
        assert permitted() == "bf16"
    finally:
        products._ask(-1)
