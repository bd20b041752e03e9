"""First-order Markov chain: what came after the last item, as far as that was seen, else what is popular."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from sasrec_llm.components import BuildContext
from sasrec_llm.encoders.fitted import Fitted
from sasrec_llm.encoders.settings import MarkovSettings
from sasrec_llm.encoders.sparse import SparseMatrix
from sasrec_llm.interfaces import Histories, Rows


class Markov(Fitted):
    """P(j | i) = (n(i→j) + a P(j)) / (n(i) + a), where i is the last item and P(j) = (n(j) + s) / (n + s N).

    log P(j | i) = popular[j] + known[i] + lift[i, j], and only the pairs that were seen have a lift.
    An empty history is item 0, which nothing was seen to follow.
    """

    popular: Tensor  # [N + 1]: log P(j)
    known: Tensor  # [N + 1]: log(a / (n(i) + a))

    def __init__(self, *, n_items: int, prior: float, smoothing: float) -> None:
        super().__init__(n_items=n_items, history_length=1)
        self.prior = prior
        self.smoothing = smoothing
        self.register_buffer("popular", torch.zeros(n_items + 1))
        self.register_buffer("known", torch.zeros(n_items + 1))
        self.lift = SparseMatrix(rows=n_items + 1, columns=n_items + 1)  # log(1 + n(i→j) / (a P(j)))

    def fit(self, rows: Rows) -> None:
        liked = rows.labels == 1
        users, items, size = rows.users[liked], rows.items[liked], self.n_items + 1
        share = np.bincount(items, minlength=size) + self.smoothing
        share /= share[1:].sum()
        same = users[1:] == users[:-1]
        before, after = items[:-1][same], items[1:][same]
        lift = csr_array((np.ones(len(before)), (before, after)), shape=(size, size))  # n(i→j): equal pairs add up
        lift.data = np.log1p(lift.data / (self.prior * share[lift.indices]))
        self.lift.put(lift)
        self.popular.copy_(torch.from_numpy(np.log(share)))
        self.known.copy_(torch.from_numpy(-np.log1p(np.bincount(before, minlength=size) / self.prior)))

    def score_all(self, histories: Histories) -> Tensor:
        last = histories.items[:, -1]
        lift = self.answer(self.lift.csr[last.cpu().numpy()].toarray(), histories)
        return self.popular + self.known[last][:, None] + lift


def build(settings: MarkovSettings, context: BuildContext) -> Markov:
    return Markov(n_items=context.n_items, **settings.model_dump())
