"""Beam search in the trie of titles, for many users at once.

A beam is the beginning of a title, and its value the log-probability of its tokens. A node below which the user has had
every item is closed. Each step collects all open titles that end behind a beam; the best of the other open children are
the next beams.

Wherever k items are open, k are found: every beam leads to an open title, and while beams have to be dropped, as many
go on as `beams` says, which is never fewer than k. A beam is also dropped once it cannot come among the best k: its sum
of logarithms only falls, and the longest title below bounds what it is divided by. That changes no result.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sasrec_llm.interfaces import Reading
from sasrec_llm.strategies.writing.ranges import spread
from sasrec_llm.strategies.writing.token_shares import TokenShares, pick
from sasrec_llm.strategies.writing.trie import Trie


def best_titles(
    prompts: Reading,
    shares: TokenShares,
    *,
    trie: Trie,
    seen: Tensor,
    k: int,
    beams: int,
    length_penalty: float,
) -> tuple[Tensor, Tensor]:
    """-> items [B, k], best first, none of `seen` [B, S], 0 where there are fewer; their scores [B, k]."""
    rows, device = len(seen), seen.device
    leaf = len(trie.token) - 1  # the last node is one; it stands where there is no node
    closed = trie.closed(seen)
    states = prompts.state[:, None]
    nodes = torch.zeros((rows, 1), dtype=torch.int64, device=device)
    value = torch.zeros((rows, 1), device=device)
    lineage = torch.zeros((rows, 1, 0), dtype=torch.bool, device=device)  # the written tokens that lead to a beam
    found, scores = nodes[:, :0], value[:, :0]  # leaves, best first
    for depth in range(int(trie.longest[0])):
        child, beam, known = trie.children(nodes)
        child = child.where(known, leaf)
        logits = shares.logits(states)
        told = shares.among(logits, trie, nodes)
        value = value.gather(1, beam) + pick(logits, beam, trie.token[child]) - told.gather(1, beam)
        value = value.where(known & (trie.open_items(child, closed) > 0), -torch.inf)
        ends = shares.is_end(trie, child)
        hope = value / trie.longest[child] ** length_penalty  # no title below scores higher
        scores, found = best(torch.cat([scores, hope.where(ends, -torch.inf)], 1), k, torch.cat([found, child], 1))
        worst = scores[:, -1:] if scores.shape[1] == k else torch.full_like(scores[:, :1], -torch.inf)
        value = value.where(~ends & (hope >= worst), -torch.inf)
        width = min(max(beams, k), int(torch.isfinite(value).sum(1).max()))
        if not width:
            break
        value, nodes, parent = best(value, width, child, beam)
        nodes = nodes.where(torch.isfinite(value), leaf)
        behind = lineage.gather(1, parent[:, :, None].expand(-1, -1, lineage.shape[2]))
        itself = torch.eye(width, dtype=torch.bool, device=device).expand(rows, -1, -1)
        lineage = torch.cat([behind, itself], 2)
        states = prompts.write(trie.token[nodes], torch.tensor([depth], device=device), lineage)
    return items_of(trie, found, scores, closed, k)


def best(value: Tensor, k: int, *others: Tensor) -> tuple[Tensor, ...]:
    """The k highest of each row [B, M] -> [B, min(k, M)], and what belongs to them."""
    top, at = value.topk(min(k, value.shape[1]), dim=1)
    return top, *(other.gather(1, at) for other in others)


def items_of(trie: Trie, leaves: Tensor, scores: Tensor, closed: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The open items of leaves [B, P], best first, those of equal scores by their ids."""
    low = trie.low[leaves]
    enough = k + closed.shape[1]
    place, leaf, known = spread(low, (trie.high[leaves] - low).clamp(max=enough))
    place = place.where(known, 0)
    is_closed = closed.gather(1, torch.searchsorted(closed, place).clamp(max=closed.shape[1] - 1)) == place
    score = scores.gather(1, leaf).where(known & ~is_closed, -torch.inf)
    items, by_id = trie.items[place].sort(1)
    score, order = score.gather(1, by_id).sort(dim=1, descending=True, stable=True)
    items = items.gather(1, order).where(torch.isfinite(score), 0)
    missing = max(k - items.shape[1], 0)
    pad = torch.nn.functional.pad
    return pad(items[:, :k], (0, missing)), pad(score[:, :k], (0, missing), value=-torch.inf)
