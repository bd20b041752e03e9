"""What the rows of many users say of each item."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sasrec_llm.encoders.floors import BiasRegression, logit
from sasrec_llm.encoders.item_knn import ItemKNN
from sasrec_llm.interfaces import Rows

DAY = 86_400  # seconds
PRIOR_ROWS = 5.0  # rows of the overall share that are mixed into each item's own


class ItemFacts(nn.Module):
    """Buffers [N + 1]: how it is liked by a user like all others, its share of likes, its rows, its first day; and
    the items that the same users liked."""

    appeal: Tensor  # logit
    share: Tensor
    count: Tensor
    first: Tensor  # days; 0 for none

    def __init__(self, *, n_users: int, n_items: int, neighbours: int) -> None:
        super().__init__()
        self.n_users, self.n_items = n_users, n_items
        for name in ("appeal", "share", "count", "first"):
            self.register_buffer(name, torch.zeros(n_items + 1, dtype=torch.float64))
        self.alike = ItemKNN(n_items=n_items, neighbours=neighbours, shrink=5.0, weighting="same", max_length=1)

    def fit(self, rows: Rows) -> None:
        size = self.n_items + 1
        count = np.bincount(rows.items, minlength=size)
        likes = np.bincount(rows.items, weights=rows.labels, minlength=size)
        overall = (likes.sum() + 1) / (count.sum() + 2)
        first = np.full(size, np.inf)
        np.minimum.at(first, rows.items, rows.times / DAY)
        self._put("count", count.astype(np.float64))
        self._put("share", (likes + PRIOR_ROWS * overall) / (count + PRIOR_ROWS))
        self._put("first", np.where(np.isfinite(first), first, 0.0))
        self._put("appeal", np.full(size, logit(overall)))
        if 0 < likes.sum() < count.sum():
            biases = BiasRegression(n_users=self.n_users, n_items=self.n_items, inverse_l2=1.0)
            biases.fit(rows)
            self._put("appeal", (biases.offset + biases.item).double().numpy())
        self.alike.fit(rows)

    def array(self, name: str) -> NDArray[np.float64]:
        found: Tensor = getattr(self, name)
        return found.numpy()

    def _put(self, name: str, values: NDArray[np.float64]) -> None:
        getattr(self, name).copy_(torch.from_numpy(values))
