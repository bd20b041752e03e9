"""What this machine can do at most: the floor under every other figure."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

WIDTH, ITEMS, ROWS = 64, 4096, 256  # the product at the heart of an encoder's softmax


def matmul_rate(device: str) -> float:
    """Floating-point operations a second of [256, 64] x [64, 4096] in float32."""
    states, table = torch.randn(ROWS, WIDTH, device=device), torch.randn(ITEMS, WIDTH, device=device)
    out = torch.empty(ROWS, ITEMS, device=device)
    return 2 * ROWS * WIDTH * ITEMS / seconds_of(lambda: torch.mm(states, table.T, out=out), device)


def memory_rate(device: str) -> float:
    """Bytes a second of copying 256 MB: read once, written once."""
    source = torch.zeros(2**26, device=device)
    out = torch.empty_like(source)
    return 2 * 4 * 2**26 / seconds_of(lambda: out.copy_(source), device)


def seconds_of(work: Callable[[], object], device: str, least: float = 0.1) -> float:
    """Median over five measurements of at least so many seconds each."""
    work()
    found = []
    for _ in range(5):
        count, began = 0, time.monotonic()
        while (passed := time.monotonic() - began) < least or not count:
            work()
            count += 1
            if device == "cuda":
                torch.cuda.synchronize()
        found.append(passed / count)
    return statistics.median(found)
