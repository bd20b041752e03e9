"""Ranges of different lengths, laid side by side; and sums over them."""

from __future__ import annotations

import torch
from torch import Tensor


def spread(start: Tensor, count: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Ranges [B, W] side by side -> number [B, M], the range it is of [B, M], and whether it is of one at all."""
    ends = count.cumsum(1)
    at = torch.arange(int(ends[:, -1].max()), device=start.device).expand(len(start), -1).contiguous()
    owner = torch.searchsorted(ends, at, right=True).clamp(max=start.shape[1] - 1)
    return (start - ends + count).gather(1, owner) + at, owner, at < ends[:, -1:]


def logsumexp_by(owner: Tensor, values: Tensor, known: Tensor, ranges: int) -> Tensor:
    """Of the values [B, M] of each range -> [B, ranges], -inf where a range has none."""
    empty = values.new_full((len(values), ranges), -torch.inf)
    top = empty.scatter_reduce(1, owner, values.detach().masked_fill(~known, -torch.inf), "amax")
    top = top.where(torch.isfinite(top), 0.0)
    shares = (values - top.gather(1, owner)).exp() * known
    return torch.zeros_like(empty).scatter_add(1, owner, shares).log() + top
