"""Where the targets stand among all items that are open to their users, and what stands first.

Scores are looked at while they are in the cache: a few users at a time, or, where a score is the product of two
vectors, tile by tile, some users against some items.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sasrec_llm import products
from sasrec_llm.strategies.ranking import first, largest, unseen

CACHED = 2**20  # scores, four megabytes
GROUP = 8  # items of a tile of which only the best is kept; divides LEAST
LEAST = 16  # users, and items, of a product: fewer are multiplied by other code, which rounds by where an item stands
GATHERED = 16  # users whose members' vectors are gathered at a time


def rank_scores(scores: Tensor, seen: Tensor, targets: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """scores [B, N + 1], seen [B, S] padded with 0, targets [B] -> ranks [B], top [B, k].

    A few rows at a time, so that their scores stay in the cache from one pass to the next.
    """
    step = max(CACHED // scores.shape[1], 1)
    parts = [slice(at, at + step) for at in range(0, len(scores), step)]
    ranks, top = zip(*(_rank_rows(scores[rows], seen[rows], targets[rows], k) for rows in parts), strict=True)
    return torch.cat(ranks), torch.cat(top)


def _rank_rows(scores: Tensor, seen: Tensor, targets: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """C columns, of which those that are no candidates count as worse: the mid-rank is

        1 + above + (level - 1) / 2 = (C + 1 + sum_j sign(s_j - s_target)) / 2, since above + level + below = C

    Small integers add up in float32 without a loss.
    """
    open_ = unseen(scores, seen)
    wanted, top = open_.gather(1, targets[:, None]), first(open_, k)
    signs = open_.sub_(wanted).sign_().sum(1).double()
    ranks = (open_.shape[1] + 1 + signs) / 2
    return torch.where(torch.isfinite(wanted[:, 0]), ranks, torch.inf), top


@products.of_one_shape()
def rank_products(users: Tensor, items: Tensor, seen: Tensor, targets: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The same for scores users [B, H] · items [N + 1, H].

    Of each tile we keep the signs added up, and the best of each group of items; when all tiles are done, the members
    of the best groups are scored once more.
    """
    if (missing := LEAST - len(users)) > 0:
        filled = (
            F.pad(users, (0, 0, 0, missing)),
            items,
            F.pad(seen, (0, 0, 0, missing)),
            F.pad(targets, (0, missing)),
        )
        ranks, top = rank_products(*filled, k)
        return ranks[:-missing], top[:-missing]
    batch, n = len(users), len(items)
    group = GROUP if n >= 2 * k * GROUP else 1
    width = -(-min(max(CACHED // batch, 1), n) // LEAST) * LEAST  # of a tile, in items
    n_tiles, n_groups = -(-n // width), width // group
    # Products of one shape alone, so that equal vectors have equal scores to the last bit.
    asked = [F.pad(targets, (0, -batch % width))[start : start + width] for start in range(0, batch, width)]
    level = torch.cat([(users @ items[some].T)[width * part :].diagonal() for part, some in enumerate(asked)])
    rows, columns = seen.nonzero(as_tuple=True)
    hidden, order = seen[rows, columns].sort()
    holders = rows[order]
    edges = torch.searchsorted(hidden, torch.arange(n_tiles + 1, device=users.device) * width).tolist()
    scores = users.new_empty(batch, width)
    maxima = users.new_empty(batch, n_tiles, n_groups)
    signs = users.new_zeros(batch)
    for number in range(n_tiles):
        start, known = number * width, slice(edges[number], edges[number + 1])
        tile = items[start : start + width]
        torch.mm(users, (F.pad(tile, (0, 0, 0, width - len(tile))) if len(tile) < width else tile).T, out=scores)
        scores[:, len(tile) :] = -torch.inf
        scores[holders[known], hidden[known] - start] = -torch.inf
        if number == 0:
            scores[:, 0] = -torch.inf
        torch.amax(scores.view(batch, group, n_groups), 1, out=maxima[:, number])
        signs += scores.sub_(level[:, None]).sign_().sum(1)
    ranks = (n_tiles * width + 1 + signs.double()) / 2
    ranks = torch.where((seen == targets[:, None]).any(1), torch.inf, ranks)
    best = largest(maxima.flatten(1), min(k, n - 1))[1]
    leaders = best // n_groups * width + best % n_groups  # [B, k]
    members = (leaders[:, None] + n_groups * torch.arange(group, device=users.device)[:, None]).flatten(1)
    members = torch.where((members < n) & ~_among(members, holders * n + hidden, n), members, 0)
    return ranks, _best(users, items, members, k)


def _among(members: Tensor, known: Tensor, n: int) -> Tensor:
    """Which of the members [B, C] are among what is known, as numbers user * n + item."""
    known = F.pad(known.sort().values, (0, 1), value=len(members) * n)
    asked = members + n * torch.arange(len(members), device=members.device)[:, None]
    return known[torch.searchsorted(known[:-1], asked)] == asked


def _best(users: Tensor, items: Tensor, members: Tensor, k: int) -> Tensor:
    """The best k of a user's members [B, C], 0 where there are fewer."""
    scores = [
        torch.einsum("bch,bh->bc", F.embedding(members[some], items), users[some])
        for some in [slice(start, start + GATHERED) for start in range(0, len(users), GATHERED)]
    ]
    found = torch.where(members != 0, torch.cat(scores), -torch.inf).topk(min(k, len(items) - 1), dim=1)
    return torch.where(torch.isfinite(found.values), members.gather(1, found.indices), 0)


def rank_list(top: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """top [B, k] items, targets [B] -> ranks [B], infinite where the target is not in the list; top."""
    hit = top == targets[:, None]
    places = hit.int().argmax(1).double() + 1
    return torch.where(hit.any(1), places, torch.inf), top
