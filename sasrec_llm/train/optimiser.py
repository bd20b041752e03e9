"""AdamW that leaves the rows alone which a step did not read."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm


class RowAdamW(torch.optim.AdamW):
    """AdamW, but of a weight whose gradient is sparse, a table of `sparse` embeddings, only the rows that have one are
    read and written: a step costs the same whatever the size of the table.

    All rows share one count of steps; the moments of a row stay as they were until it is next touched, and only then is
    it decayed. If every row is touched at every step, this is AdamW. The state has AdamW's names and shapes.
    """

    def clip(self, most: float) -> float:
        """Shorten the gradient to the norm `most`, as `clip_grad_norm_` does. Returns its norm before."""
        for weight in self._weights():
            if weight.grad is not None and weight.grad.is_sparse:
                weight.grad = weight.grad.coalesce()  # a row that was read twice has the sum of its gradients
        found = [weight.grad for weight in self._weights() if weight.grad is not None]
        values = [gradient.values() if gradient.is_sparse else gradient for gradient in found]
        norm = get_total_norm(values)
        factor = torch.clamp(most / (norm + 1e-6), max=1.0)
        for value in values:
            value.mul_(factor.to(value.device))
        return float(norm)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        sparse = {}
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None and weight.grad.is_sparse:
                    self._change_rows(weight, weight.grad.coalesce(), group)
                    sparse[weight], weight.grad = weight.grad, None
        super().step(closure)
        for weight, gradient in sparse.items():
            weight.grad = gradient

    def _change_rows(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, lr, (beta1, beta2) = self.state[weight], group["lr"], group["betas"]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
        state["step"] += 1
        steps, rows, values = int(state["step"]), gradient.indices()[0], gradient.values()
        first = state["exp_avg"].index_select(0, rows).lerp_(values, 1 - beta1)
        second = state["exp_avg_sq"].index_select(0, rows).mul_(beta2).addcmul_(values, values, value=1 - beta2)
        state["exp_avg"].index_copy_(0, rows, first)
        state["exp_avg_sq"].index_copy_(0, rows, second)
        scale = second.sqrt_().div_(math.sqrt(1 - beta2**steps)).add_(group["eps"])
        changed = weight.index_select(0, rows).mul_(1 - lr * group["weight_decay"])
        weight.index_copy_(0, rows, changed.addcdiv_(first, scale, value=-lr / (1 - beta1**steps)))

    def _weights(self) -> list[Tensor]:
        return [weight for group in self.param_groups for weight in group["params"]]
