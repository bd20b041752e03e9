"""Prompts as tokens with slots, whole, or cut where those of one history begin to differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class PromptBatch:
    tokens: Tensor  # [B, L] int64, right-padded with 0
    lengths: Tensor  # [B] int64
    slots: Mapping[str, Tensor]  # field -> [B, S, K] positions its S vectors go to; -1 where there is none
    dropped: Tensor  # [B] int64, oldest titles that did not fit

    def to(self, device: str) -> PromptBatch:
        slots = {field: positions.to(device) for field, positions in self.slots.items()}
        return PromptBatch(self.tokens.to(device), self.lengths.to(device), slots, self.dropped)

    def shared(self, count: int, own: str) -> Tensor:
        """How many tokens each `count` prompts in a row begin with alike, before the slot `own` of each; something is
        left of every prompt -> [B / count]."""
        tokens = self.tokens.view(-1, count, self.tokens.shape[1])
        alike = (tokens == tokens[:, :1]).all(1).long().cumprod(1).sum(1)
        shortest = self.lengths.view(-1, count).amin(1) - 1
        least = torch.minimum(alike, shortest)
        if own in self.slots:
            least = torch.minimum(least, self.slots[own].view(len(least), -1).amin(1))
        return least

    def heads(self, shared: Tensor) -> PromptBatch:
        """The tokens that are shared, once -> B / count prompts."""
        count = len(self.tokens) // len(shared)
        slots = {
            field: positions[::count].where(positions[::count] < shared[:, None, None], -1)
            for field, positions in self.slots.items()
        }
        return PromptBatch(self.tokens[::count, : int(shared.max())], shared, _used(slots), self.dropped[::count])

    def tails(self, shared: Tensor) -> PromptBatch:
        """The rest of each of the B prompts."""
        before = shared.repeat_interleave(len(self.tokens) // len(shared))[:, None]
        lengths = self.lengths - before[:, 0]
        place = before + torch.arange(int(lengths.max()), device=lengths.device)
        slots = {field: (found - before[:, None]).clamp(min=-1) for field, found in self.slots.items()}
        tokens = self.tokens.gather(1, place.clamp(max=self.tokens.shape[1] - 1))
        return PromptBatch(tokens, lengths, _used(slots), self.dropped)


def _used(slots: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those that something goes into."""
    return {field: positions for field, positions in slots.items() if bool((positions >= 0).any())}
