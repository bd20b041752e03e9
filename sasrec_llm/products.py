"""Products of float32 matrices on an AMD processor by oneDNN, which does them there twice as fast as MKL.

PyTorch gives them to MKL, which knows the wide registers of Intel's processors alone, unless products in bf16 are
permitted. oneDNN makes no use of that permission without Intel's AMX, so they are float32 all the same; a product that
bf16 cannot hold is tried first. But it writes code for every new shape, for two milliseconds: so it is asked for where
products are large, or of one shape again and again.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from sasrec_llm.interfaces.batches import WHOLE

MEDIUM = 256  # states of a model whose products of many rows take as long as code for them
WIDE = 1024  # states of a model whose products take longer than code for them
_matmul: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
_lock, _askers, _before = threading.Lock(), 0, "none"


@contextlib.contextmanager
def of_one_shape() -> Iterator[None]:
    """Within, products go to the faster library. Of several threads the last to leave ends that."""
    if not _onednn_is_faster():
        yield
        return
    _ask(1)
    try:
        yield
    finally:
        _ask(-1)


def of_rows(count: int) -> contextlib.AbstractContextManager[None]:
    """`of_one_shape` for products of so many rows, if it is likely that as many come again: batches have a power of two
    sequences, and parts of them that are of one length a multiple of WHOLE positions; other parts, of any number, would
    need code for each. What decides is the number alone,
    so that a step that is done again is done alike."""
    return contextlib.nullcontext() if count % WHOLE else of_one_shape()


@contextlib.contextmanager
def of_texts(width: int) -> Iterator[None]:
    """`of_one_shape` for a model of this width that reads texts in batches of like length, hence of few shapes, but for
    its attention: that takes one head of one text at a time, and such products are too small to ask for."""
    if width < MEDIUM or not _onednn_is_faster():
        yield
        return
    with of_one_shape(), _AttentionApart():
        yield


class _AttentionApart(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not F.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        _ask(-1)
        try:
            return func(*args, **(kwargs or {}))
        finally:
            _ask(1)


def large_ones(width: int) -> None:
    """From now on, if a model is so wide that its products are large."""
    if width >= WIDE and _onednn_is_faster():
        _ask(1)


def _ask(more: int) -> None:
    global _askers, _before
    with _lock:
        if not _askers:
            _before = _matmul.fp32_precision
        _askers += more
        _matmul.fp32_precision = "bf16" if _askers else _before


def in_bf16() -> bool:
    """Whether this is known to be a processor with instructions for products in bf16."""
    return any(_processor().get(name) for name in ("avx512_bf16", "amx_bf16"))


def _processor() -> Mapping[str, Any]:
    return getattr(torch.cpu, "get_capabilities", dict)()  # PyTorch 2.10 cannot say


@functools.cache
def _onednn_is_faster() -> bool:
    about = _processor()
    if "AMD" not in str(about.get("cpu_name")) or not about.get("avx512_f") or about.get("amx_bf16"):
        return False
    fine = torch.full((64, 64), 1 + 2**-20)  # 1 in bf16
    _ask(1)
    try:
        with torch.autocast("cpu", enabled=False):
            return torch.equal(fine @ torch.eye(64), fine)
    finally:
        _ask(-1)
