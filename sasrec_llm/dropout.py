"""Dropout whose random numbers are cheap on a CPU, where PyTorch's cost more than the layers around them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = 2**16


def keep(shape: torch.Size, p: float) -> Tensor:
    """uint8 of 0 and 1, each 0 with probability p (in steps of 1/65,536).

    A 64-bit draw makes four of them; it comes from a generator that PyTorch's own has seeded, so that a step draws the
    same again."""
    count = shape.numel()
    seed = int(torch.randint(2**62, ()))
    drawn = np.random.SFC64(seed).random_raw(-(-count // 4)).view(np.uint16)[:count]
    return torch.from_numpy((drawn >= round(p * LEVELS)).view(np.uint8)).view(shape)


class _Dropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float) -> Tensor:
        kept = keep(x.shape, p)
        ctx.save_for_backward(kept)
        ctx.p = p
        return scaled(kept, p, x.dtype).mul_(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (kept,) = ctx.saved_tensors
        return scaled(kept, ctx.p, gradients[0].dtype).mul_(gradients[0]), None


def scaled(kept: Tensor, p: float, dtype: torch.dtype) -> Tensor:
    """0 or 1 / (1 - p)."""
    return kept.to(dtype).mul_(1 / (1 - p))


class Dropout(nn.Module):
    """0 with probability p, else x / (1 - p); x itself outside of training."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.p:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.p)
        return _Dropped.apply(x, self.p)  # type: ignore[no-any-return, no-untyped-call]
