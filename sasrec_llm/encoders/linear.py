"""x Wᵀ + b, the product and those of its gradient by the faster library."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sasrec_llm import products


class Linear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]"""
        return linear(x, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x [..., in], weight [out, in], bias [out] -> [..., out]"""
    if x.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        return F.linear(x, weight, bias)
    if torch.is_grad_enabled():
        return _Linear.apply(x, weight, bias)  # type: ignore[no-any-return, no-untyped-call]
    with products.of_rows(x.shape[:-1].numel()):
        return F.linear(x, weight, bias)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        with products.of_rows(x.shape[:-1].numel()):
            return F.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        (given,) = gradients
        rows = given.flatten(0, -2)
        with products.of_rows(len(rows)):
            return given @ weight, rows.T @ x.flatten(0, -2), rows.sum(0)
