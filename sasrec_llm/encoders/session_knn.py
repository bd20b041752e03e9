"""Session kNN: what the users liked whose items are nearest (Jannach & Ludewig 2017; Ludewig & Jannach 2018)."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from sasrec_llm.components import BuildContext
from sasrec_llm.encoders.fitted import Fitted
from sasrec_llm.encoders.recency import WEIGHTING, WEIGHTING_SCORE, distinct
from sasrec_llm.encoders.settings import SKNNSettings, VSKNNSettings
from sasrec_llm.encoders.sparse import SparseMatrix, largest, liked_sets, places_in_row
from sasrec_llm.interfaces import Histories, Rows


class SessionKNN(Fitted):
    """score(j) = (1 + λ idf(j)) Σ sim(history, s) w(age of the newest item shared with s), over the neighbours s of the
    history that have j. A session is all that one user liked in train.

    Neighbours are the `neighbours` most similar of the `sample` most recent sessions that share an item with the
    history; of equals the more recent. sim is the dot product or the cosine of the history's weights and the session's
    set. idf(j) = log(sessions / sessions with j).
    """

    boost: Tensor  # [N + 1]: 1 + λ idf

    def __init__(
        self,
        *,
        n_items: int,
        neighbours: int,
        sample: int,
        similarity: str,
        weighting: str,
        weighting_score: str,
        idf: float,
        max_length: int,
    ) -> None:
        super().__init__(n_items=n_items, history_length=max_length)
        self.neighbours = neighbours
        self.sample = sample
        self.cosine = similarity == "cosine"
        self.weighting = WEIGHTING[weighting]
        self.weighting_score = WEIGHTING_SCORE[weighting_score]
        self.idf = idf
        self.register_buffer("boost", torch.ones(n_items + 1))
        self.sessions = SparseMatrix(rows=0, columns=n_items + 1)  # binary, the most recent first

    def fit(self, rows: Rows) -> None:
        sets = liked_sets(rows, n_items=self.n_items)
        liked = rows.labels == 1
        users, last = np.unique(rows.users[liked][::-1], return_index=True)
        latest = rows.times[liked][::-1][last]  # of each user, whose rows are in the order of time
        sessions = sets[users[np.argsort(-latest, kind="stable")]]
        self.sessions.put(sessions)
        having = np.maximum(np.bincount(sessions.indices, minlength=self.n_items + 1), 1)
        self.boost.copy_(torch.from_numpy(1 + self.idf * np.log(max(1, sessions.shape[0]) / having)))

    def score_all(self, histories: Histories) -> Tensor:
        history = distinct(self.read(histories), self.n_items)
        weights = self.weighting(history.ages, history.lengths)
        # One product gives two sums over the shared items: of the weights, and of 4^-age, from which the least age a
        # can be read, as 4^-a <= sum < 4/3 4^-a. Both are positive, so an entry is where an item is shared.
        shared = history.matrix(weights + 1j * np.exp2(-2.0 * history.ages)) @ self.sessions.transposed
        shared.sort_indices()  # [B, sessions], the most recent first
        rows = np.repeat(np.arange(shared.shape[0]), np.diff(shared.indptr))
        recent = np.flatnonzero(places_in_row(rows) < self.sample)
        rows, sessions, sums = rows[recent], shared.indices[recent], shared.data[recent]
        similarity, ages = sums.real, np.rint(-np.log2(sums.imag) / 2)
        if self.cosine:
            norms = np.sqrt(np.bincount(history.rows, weights**2, minlength=shared.shape[0]))
            similarity = similarity / (norms[rows] * np.sqrt(np.diff(self.sessions.csr.indptr))[sessions])
        near = largest(similarity, rows, self.neighbours)
        votes = csr_array(
            (similarity[near] * self.weighting_score(ages[near]), (rows[near], sessions[near])), shape=shared.shape
        )
        return self.answer((votes @ self.sessions.csr).toarray(), histories) * self.boost


def build_sknn(settings: SKNNSettings, context: BuildContext) -> SessionKNN:
    return SessionKNN(
        n_items=context.n_items, **settings.model_dump(), weighting="same", weighting_score="same", idf=0.0
    )


def build_v_sknn(settings: VSKNNSettings, context: BuildContext) -> SessionKNN:
    return SessionKNN(n_items=context.n_items, **settings.model_dump())
