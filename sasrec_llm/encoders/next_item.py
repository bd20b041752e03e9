"""Losses that teach an encoder which item comes next, among all items or against a sample of them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sasrec_llm import products
from sasrec_llm.components import BuildContext
from sasrec_llm.encoders.drawing import Drawing
from sasrec_llm.encoders.settings import NextItemSettings

Rows = Callable[[Tensor], Tensor]  # items [...] -> their rows [..., H]
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
            with products.of_one_shape() if len(part) == CHUNK else contextlib.nullcontext():
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
        """`popularity` [N + 1]: likes in train."""
        self.settings = settings
        self.n_items = n_items
        self.popularity = popularity.cpu() if popularity is not None and settings.loss == "sampled-softmax" else None
        self.items: Tensor | None = None  # those that compete
        self._places = torch.zeros(0, dtype=torch.int64)  # of each item among them
        self._drawing = Drawing(n_items=n_items, items=None, popularity=self.popularity)

    def learn_only(self, items: Tensor) -> None:
        self.items = items.cpu()
        self._places = torch.zeros(self.n_items + 1, dtype=torch.int64)
        self._places[self.items] = torch.arange(len(self.items))
        self._drawing = Drawing(n_items=self.n_items, items=self.items, popularity=self.popularity)

    def rows_of(self, count: int) -> int:
        """How many rows of the table are asked for by so many targets."""
        own = self.settings.negatives if self.settings.loss == "bce" else 0
        return count * (1 + own) + (0 if own else self._n_drawn)

    def __call__(self, states: Tensor, table: Tensor | Rows, targets: Tensor) -> Tensor:
        """states [M, H], table [N + 1, H] by item or what looks its rows up, targets [M] items -> [], mean over M. In
        32 bits whatever the precision around it: bf16 has 8 bits, too few to tell logits apart."""
        with torch.autocast(states.device.type, enabled=False):
            rows = functools.partial(F.embedding, weight=table) if isinstance(table, Tensor) else table
            states = states.float()
            if not len(states):  # a batch in which nothing follows anything
                return states.sum() + 0.0 * rows(targets).sum()
            if self.settings.loss == "softmax":
                return self._softmax(states, table, targets)
            if self.settings.loss == "bce":
                return self._each_its_own(states, rows, targets)
            return self._sampled(states, rows, targets)

    def _softmax(self, states: Tensor, table: Tensor | Rows, targets: Tensor) -> Tensor:
        if not isinstance(table, Tensor):
            table = table(torch.arange(self.n_items + 1, device=states.device))
        competing = table[1:] if self.items is None else table[self.items.to(table.device)]
        return SoftmaxLoss.apply(states, competing, self._place(targets))  # type: ignore[no-any-return, no-untyped-call]

    def _each_its_own(self, states: Tensor, rows: Rows, targets: Tensor) -> Tensor:
        wanted, count = self._place(targets), self._drawing.count
        drawn = torch.randint(max(count - 1, 1), (len(wanted), self.settings.negatives), device=wanted.device)
        drawn += drawn >= wanted[:, None]
        asked = torch.cat([wanted[:, None], drawn % count], dim=1)  # [M, 1 + n]
        items = asked + 1 if self.items is None else self.items.to(asked.device)[asked]
        logits = (rows(items) * states[:, None]).sum(2)
        return (F.softplus(-logits[:, 0]) + F.softplus(logits[:, 1:]).mean(1)).mean()

    def _sampled(self, states: Tensor, rows: Rows, targets: Tensor) -> Tensor:
        drawn, q = (found.to(states.device) for found in self._drawing.draw(self._n_drawn))
        looked_up = rows(torch.cat([targets, drawn]))  # [M + n, H]
        positive = (states * looked_up[: len(targets)]).sum(1)  # [M]
        negative = states @ looked_up[len(targets) :].T  # [M, n]
        itself = drawn == targets[:, None]
        if self.settings.loss == "sampled-softmax":
            negative = (negative - torch.log(len(drawn) * q)).masked_fill(itself, -torch.inf)
            return (torch.logsumexp(torch.cat([positive[:, None], negative], dim=1), dim=1) - positive).mean()
        share = len(drawn) / max(self._drawing.count - 1, 1)
        t = self.settings.calibration
        beta = share * (t * (1 - 1 / share) + 1 / share)
        wrong = F.softplus(negative).masked_fill(itself, 0.0).sum(1)
        return ((beta * F.softplus(-positive) + wrong) / (len(drawn) + 1)).mean()

    @property
    def _n_drawn(self) -> int:
        """Items drawn for a whole batch."""
        return min(self.settings.negatives, max(self._drawing.count - 1, 1))

    def _place(self, targets: Tensor) -> Tensor:
        """Of the targets among the items that compete."""
        if self.items is None:
            return targets - 1
        self._places = self._places.to(targets.device)
        return self._places[targets]


def next_item_loss(settings: NextItemSettings, context: BuildContext) -> NextItemLoss:
    popularity = None if context.data is None else torch.from_numpy(context.data.popularity)
    return NextItemLoss(settings=settings, n_items=context.n_items, popularity=popularity)
