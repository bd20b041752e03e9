"""All titles of the catalogue as one tree of tokens, in flat arrays.

The titles are sorted, so the items below a node stand side by side. Nodes are numbered level by level from the root
(node 0), so the children of a node have consecutive numbers. Every title ends with the end token, which occurs in none,
so a title that begins another one ("Alien", "Aliens") is a leaf of its own; items with equal titles share a leaf.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sasrec_llm.strategies.writing.ranges import spread


@dataclass(frozen=True, slots=True)
class Trie:
    """n nodes over N items."""

    token: Tensor  # [n] the token that leads to a node
    first: Tensor  # [n + 1] the children of node i are first[i] .. first[i + 1] - 1; a leaf has none
    begin: Tensor  # [n] level · N + low, the root's level being -1: ascending
    low: Tensor  # [n] the items below node i are items[low[i]:high[i]]
    high: Tensor  # [n]
    titles: Tensor  # [n] different titles below
    longest: Tensor  # [n] tokens of the longest title below, with its end
    items: Tensor  # [N] in the order of their titles, then of their ids
    place: Tensor  # [N + 1] where an item stands in `items`; item 0, which does not exist, behind all others

    def to(self, device: str) -> Trie:
        return Trie(*(getattr(self, field.name).to(device) for field in fields(self)))

    def children(self, nodes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of the nodes [B, W] -> children [B, M], whose they are [B, M], and whether there is one at all."""
        first = self.first[nodes]
        return spread(first, self.first[nodes + 1] - first)

    def is_leaf(self, nodes: Tensor) -> Tensor:
        return self.first[nodes] == self.first[nodes + 1]

    def path(self, items: Tensor, length: int) -> Tensor:
        """The nodes before each token of titles: items [...] -> [..., length], without meaning behind a title's end."""
        levels = torch.arange(-1, length - 1, device=items.device)
        return torch.searchsorted(self.begin, levels * len(self.items) + self.place[items][..., None], right=True) - 1

    def closed(self, seen: Tensor) -> Tensor:
        """Items [B, S], padded with 0 -> their places [B, S + 1], ascending, each once; N fills up."""
        end = len(self.items)
        places = F.pad(self.place[seen], (0, 1), value=end).sort(1).values
        again = F.pad(places[:, 1:] == places[:, :-1], (1, 0))
        return places.masked_fill(again, end).sort(1).values

    def open_items(self, nodes: Tensor, closed: Tensor) -> Tensor:
        """How many items below the nodes [B, M] are not closed for the row -> [B, M]"""
        low, high = self.low[nodes], self.high[nodes]
        return high - low - (torch.searchsorted(closed, high) - torch.searchsorted(closed, low))


def build_trie(tokens: NDArray[np.int64], lengths: NDArray[np.int64]) -> Trie:
    """Titles [N, T] of items 1..N, each with its end token, padded with it; lengths [N] count one of these."""
    count, depth = tokens.shape
    order = np.lexsort(tokens.T[::-1])  # stable: equal titles stay in the order of their items
    ranked, ends = tokens[order], lengths[order]
    differs = np.ones((count, depth), bool)  # whether the first d + 1 tokens are others than those of the row before
    differs[1:] = np.logical_or.accumulate(ranked[1:] != ranked[:-1], axis=1)
    nodes = np.flatnonzero((differs & (np.arange(depth) < ends[:, None])).T)  # level · N + row in which a node begins
    level, low = np.divmod(nodes, count)
    borders = np.append(np.flatnonzero(differs.T), depth * count)
    high = borders[np.searchsorted(borders, nodes, side="right")] - level * count
    parent = np.searchsorted(nodes, nodes - count, side="right")  # the node above begins at this row or before it
    first = 1 + np.searchsorted(parent, np.arange(len(nodes) + 2))
    spans = np.stack([low, high], axis=1).ravel()
    longest = np.maximum.reduceat(np.append(ends, 0), spans)[::2]
    title = differs[:, -1].cumsum()
    place = np.full(count + 1, count)
    place[order + 1] = np.arange(count)
    token, titles = ranked.T.ravel()[nodes], title[high - 1] - title[low] + 1

    def column(of_root: int, of_others: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.append(of_root, of_others))

    return Trie(
        token=column(ranked[0, -1], token),
        first=torch.from_numpy(first),
        begin=column(-count, nodes),
        low=column(0, low),
        high=column(count, high),
        titles=column(title[-1], titles),
        longest=column(ends.max(), longest),
        items=torch.from_numpy(order + 1),
        place=torch.from_numpy(place),
    )
