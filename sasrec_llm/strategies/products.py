"""The first of a large catalogue by products of vectors, without a table of all scores."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def first_products(users: Tensor, items: Tensor, seen: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """users [B, H], items [N + 1, H], seen [B, S] padded with 0 -> the best k unseen items [B, k], 0 where there are
    fewer, and their scores [B, k].

    The groups are those of `largest`, to whose result this comes, ties included. A tile of the table holds one member
    of each group: of its scores only what exceeds the maxima is kept, and the members of the best groups are scored
    again.
    """
    batch, n, k = len(users), len(items), min(k, len(items) - 1)
    size = max(math.isqrt(n // k), 1)
    groups = n // size
    whole = size * groups
    rows, columns = seen.nonzero(as_tuple=True)
    hidden, order = seen[rows, columns].sort()
    holders = rows[order]
    edges = torch.searchsorted(hidden, torch.arange(size + 1, device=users.device) * groups).tolist()
    maxima = users.new_full((batch, groups), -torch.inf, dtype=torch.float32)
    for number in range(size):
        start, known = number * groups, slice(edges[number], edges[number + 1])
        scores = (users @ items[start : start + groups].T).float()
        scores[holders[known], hidden[known] - start] = -torch.inf
        if not start:
            scores[:, 0] = -torch.inf
        torch.maximum(maxima, scores, out=maxima)
    members = maxima.topk(k, dim=1).indices[:, None] + groups * torch.arange(size, device=users.device)[:, None]
    rest = torch.arange(whole, n, device=users.device).expand(batch, -1)
    candidates = torch.cat([members.flatten(1), rest], dim=1)  # [B, C]
    scores = _scores(users, items, candidates).masked_fill(among(candidates, seen), -torch.inf)
    found = scores.topk(k, dim=1)
    named = torch.where(torch.isfinite(found.values), candidates.gather(1, found.indices), 0)
    return named, found.values


def _scores(users: Tensor, items: Tensor, candidates: Tensor) -> Tensor:
    """One user at a time: the vectors of one's candidates are many already."""
    parts = [F.embedding(own, items) @ user for user, own in zip(users, candidates, strict=True)]
    return torch.stack(parts).float() if parts else candidates.float()


def among(candidates: Tensor, seen: Tensor) -> Tensor:
    """Which of each user's candidates are seen; item 0 always is."""
    known = F.pad(seen, (1, 0)).sort(dim=1).values
    places = torch.searchsorted(known, candidates).clamp_(max=known.shape[1] - 1)
    return known.gather(1, places) == candidates
