"""Item kNN: items that the same users liked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack
from torch import Tensor

from sasrec_llm.components import BuildContext
from sasrec_llm.encoders.fitted import Fitted
from sasrec_llm.encoders.recency import WEIGHTING, distinct
from sasrec_llm.encoders.settings import ItemKNNSettings
from sasrec_llm.encoders.sparse import SparseMatrix, largest, liked_sets
from sasrec_llm.interfaces import Histories, Rows

CELLS = 2**23  # of the item-item matrix at a time


class ItemKNN(Fitted):
    """score(j) = Σ over the history's items i of w(age of i) sim(i, j).

    sim(i, j) = n(i, j) / (√(n(i) n(j)) + shrink) for the nearest items j of i, else 0; n counts users.
    """

    def __init__(self, *, n_items: int, neighbours: int, shrink: float, weighting: str, max_length: int) -> None:
        super().__init__(n_items=n_items, history_length=max_length)
        self.neighbours = neighbours
        self.shrink = shrink
        self.weighting = WEIGHTING[weighting]
        self.similar = SparseMatrix(rows=n_items + 1, columns=n_items + 1)

    def fit(self, rows: Rows) -> None:
        users = liked_sets(rows, n_items=self.n_items)
        items = users.T.tocsr()
        likes = np.diff(items.indptr).astype(np.float64)  # a product of two counts outgrows int32
        step = max(1, CELLS // len(likes))
        blocks = range(0, len(likes), step)
        found = [self._nearest(items[at : at + step] @ users, at, likes) for at in blocks]
        self.similar.put(vstack(found, format="csr"))

    def _nearest(self, together: csr_array, start: int, likes: NDArray[np.float64]) -> csr_array:
        """n(i, j) [block, N + 1], the first row of which is item `start` -> the similarities that are kept"""
        together.sort_indices()
        rows, items = np.repeat(np.arange(together.shape[0]), np.diff(together.indptr)), together.indices
        similar = together.data / (np.sqrt(likes[start + rows] * likes[items]) + self.shrink)
        other = np.flatnonzero(start + rows != items)
        keep = other[largest(similar[other], rows[other], self.neighbours)]
        return csr_array((similar[keep], (rows[keep], items[keep])), shape=together.shape)

    def score_all(self, histories: Histories) -> Tensor:
        history = distinct(self.read(histories), self.n_items)
        weights = history.matrix(self.weighting(history.ages, history.lengths))
        return self.answer((weights @ self.similar.csr).toarray(), histories)


def build(settings: ItemKNNSettings, context: BuildContext) -> ItemKNN:
    return ItemKNN(n_items=context.n_items, **settings.model_dump())
