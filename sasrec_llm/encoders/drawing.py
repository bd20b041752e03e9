"""Items drawn at random, at a price that does not grow with the catalogue."""

from __future__ import annotations

import torch
from torch import Tensor


class Drawing:
    """With replacement from all items, or from `items`: evenly, or by (likes + 1)^0.75 where `popularity` is given.

    On the CPU and in 64 bits: a seed draws the same on every device, and a catalogue may be of any size.
    """

    def __init__(self, *, n_items: int, items: Tensor | None, popularity: Tensor | None) -> None:
        """`items` [n]; `popularity` [N + 1] likes in train."""
        self.count = n_items if items is None else len(items)
        self._items = items
        self._edges: Tensor | None = None  # an item owns what lies between its edge and the one before
        if popularity is not None:
            likes = popularity[1:] if items is None else popularity[items]
            self._edges = ((likes.double() + 1) ** 0.75).cumsum(0)

    def draw(self, n: int) -> tuple[Tensor, Tensor]:
        """n items, and the probability q of drawing each."""
        if self._edges is None:
            places, q = torch.randint(self.count, (n,)), torch.full((n,), 1 / self.count)
        else:
            total = self._edges[-1]
            places = torch.searchsorted(self._edges, torch.rand(n, dtype=torch.float64) * total, right=True)
            places.clamp_(max=self.count - 1)  # a product just below the total may round up to it
            below = torch.where(places > 0, self._edges[places - 1], 0.0)
            q = ((self._edges[places] - below) / total).float()
        return (places + 1 if self._items is None else self._items[places]), q
