"""Losses that teach an encoder which item comes next, among all items or against a sample of them."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sasrec_llm.components import BuildContext
from sasrec_llm.encoders.settings import NextItemSettings

CHUNK = 256  # rows whose logits stay in the processor's cache


class SoftmaxLoss(torch.autograd.Function):
    """Mean cross-entropy of softmax(states · tableᵀ), computed with its gradient a few rows at a time, so that the
    logits [M, N] of all rows never exist at once."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, table: Tensor, targets: Tensor) -> Tensor:
        """states [M, H], table [N, H], targets [M] rows of the table -> []"""
        total = states.new_zeros((), dtype=torch.float32)
        of_states, of_table = torch.empty_like(states), torch.zeros_like(table)
        buffer = states.new_empty(min(CHUNK, len(states)), len(table))
        for start in range(0, len(states), CHUNK):
            part, wanted = states[start : start + CHUNK], targets[start : start + CHUNK, None]
            logits = torch.mm(part, table.T, out=buffer[: len(part)])  # [chunk, N]
            of_target, largest = logits.gather(1, wanted), logits.amax(1, keepdim=True)
            error = logits.sub_(largest).exp_()
            sums = error.sum(1, keepdim=True)
            total += (sums.log() + largest - of_target).sum()
            error.scatter_add_(1, wanted, -sums)  # / sums: softmax - one-hot is the gradient by the logits
            torch.mm(error, table, out=of_states[start : start + CHUNK]).div_(sums)
            of_table.addmm_(error.T, part / sums)
        ctx.save_for_backward(of_states / len(states), of_table / len(states))
        return total / len(states)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        of_states, of_table = ctx.saved_tensors
        return gradients[0] * of_states, gradients[0] * of_table, None


class NextItemLoss:
    """The loss an encoder's settings name, over the items that compete: all, unless `learn_only` names some.

    softmax: -log softmax(s · Eᵀ)[y]
    sampled-softmax: the same over y and n items drawn with probability q, whose logits are lowered by log(n q): the sum
        of their exponentials is then an unbiased estimate of that over all other items
    gbce: -log σ(s · e_y)^β - mean Σ log(1 - σ(s · e_j)) with β = a (t (1 - 1/a) + 1/a) and a = n / (N - 1): SASRec's
        binary loss for t = 0, and free of its overconfidence for t = 1 (gSASRec, arXiv 2308.07192)
    bce: -log σ(s · e_y) - mean log(1 - σ(s · e_j)) over n items drawn for each step by itself, evenly from all but y;
        with n = 1 the loss of SASRec as it was published
    """

    def __init__(self, *, settings: NextItemSettings, n_items: int, popularity: Tensor | None) -> None:
        self.settings = settings
        self.n_items = n_items
        self.popularity = popularity  # [N + 1] likes in train, on the CPU as `items` is
        self.items: Tensor | None = None  # those that compete

    def learn_only(self, items: Tensor) -> None:
        self.items = items.cpu()

    def __call__(self, states: Tensor, table: Tensor, targets: Tensor) -> Tensor:
        """states [M, H], table [N + 1, H] by item, targets [M] items -> [], mean over M. In 32 bits whatever the
        precision around it: bf16 has 8 bits, too few to tell logits apart."""
        with torch.autocast(table.device.type, enabled=False):
            return self._loss(states.float(), table, targets)

    def _loss(self, states: Tensor, table: Tensor, targets: Tensor) -> Tensor:
        if self.items is None:
            competing, wanted, count = table[1:], targets - 1, self.n_items
        else:
            items = self.items.to(table.device)
            place = torch.zeros(len(table), dtype=torch.int64, device=table.device)
            place[items] = torch.arange(len(items), device=table.device)
            competing, wanted, count = table[items], place[targets], len(items)
        if not len(states):  # a batch in which nothing follows anything
            return states.sum() + 0.0 * competing.sum()
        if self.settings.loss == "softmax":
            return SoftmaxLoss.apply(states, competing, wanted)  # type: ignore[no-any-return, no-untyped-call]
        if self.settings.loss == "bce":
            return self._each_its_own(states, competing, wanted)
        drawn, q = self._draw(count, table.device)
        positive = (states * competing[wanted]).sum(1)  # [M]
        negative = states @ competing[drawn].T  # [M, n]
        itself = drawn == wanted[:, None]
        if self.settings.loss == "sampled-softmax":
            negative = (negative - torch.log(len(drawn) * q[drawn])).masked_fill(itself, -torch.inf)
            return (torch.logsumexp(torch.cat([positive[:, None], negative], dim=1), dim=1) - positive).mean()
        share = len(drawn) / max(count - 1, 1)
        t = self.settings.calibration
        beta = share * (t * (1 - 1 / share) + 1 / share)
        wrong = F.softplus(negative).masked_fill(itself, 0.0).sum(1)
        return ((beta * F.softplus(-positive) + wrong) / (len(drawn) + 1)).mean()

    def _each_its_own(self, states: Tensor, competing: Tensor, wanted: Tensor) -> Tensor:
        drawn = torch.randint(max(len(competing) - 1, 1), (len(wanted), self.settings.negatives), device=wanted.device)
        drawn += drawn >= wanted[:, None]
        asked = torch.cat([wanted[:, None], drawn % len(competing)], dim=1)  # [M, 1 + n]
        logits = (F.embedding(asked, competing) * states[:, None]).sum(2)
        return (F.softplus(-logits[:, 0]) + F.softplus(logits[:, 1:]).mean(1)).mean()

    def _draw(self, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """n of the competing items, and the probability q of drawing each."""
        q = torch.full((count,), 1.0 / count, device=device)
        if self.settings.loss == "sampled-softmax" and self.popularity is not None:
            likes = self.popularity[1:] if self.items is None else self.popularity[self.items]
            q = (likes.to(device).float() + 1) ** 0.75
            q = q / q.sum()
        n = min(self.settings.negatives, max(count - 1, 1))
        return torch.multinomial(q, n, replacement=True), q


def next_item_loss(settings: NextItemSettings, context: BuildContext) -> NextItemLoss:
    popularity = None if context.data is None else torch.from_numpy(context.data.popularity)
    return NextItemLoss(settings=settings, n_items=context.n_items, popularity=popularity)
