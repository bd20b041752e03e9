"""LLMSeqSim: the items nearest to a session in the space of language-model embeddings; nothing is trained
(2402.01339, section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sasrec_llm.components import BuildContext
from sasrec_llm.errors import ComponentError
from sasrec_llm.interfaces import Examples, Histories, Part, Recommender, Sequences, TrainingData
from sasrec_llm.strategies.embedding.item_embeddings import embed_items, items_of_train, reduce
from sasrec_llm.strategies.settings import LLMSeqSimSettings

LEAST = 1e-5  # weight of an item that a linear decay would leave out


def weights(decay: str, ages: Tensor, lengths: Tensor) -> Tensor:
    """Weight of the item of an age (1 is the newest) in a session of a length, as in the authors' code.

    last: the newest alone; mean: all alike; constant-linear: 1 - (i - 1) / 10; scaling-linear: 1 - (i - 1) / n;
    scaling-quadratic: its square; log: 1 / (1 + ln i); harmonic: 1 / i; harmonic-squared: 1 / i²
    """
    i, n = ages.double(), lengths.clamp(min=1).double()
    scaling = (1 - (i - 1) / n).clamp(min=LEAST)
    return {
        "last": (i == 1).double(),
        "mean": torch.ones_like(i + n),
        "constant-linear": (1 - (i - 1) / 10).clamp(min=LEAST),
        "scaling-linear": scaling,
        "scaling-quadratic": scaling**2,
        "log": 1 / (1 + torch.log(i)),
        "harmonic": 1 / i,
        "harmonic-squared": 1 / i**2,
    }[decay].float()


class SeqSim:
    """score(j) = s · e_j, with s the weighted mean of the session's item vectors; of unit length for `cosine`."""

    def __init__(self, *, vectors: Tensor, decay: str, cosine: bool, history_length: int) -> None:
        """vectors [N + 1, D]; row 0 is padding."""
        self.vectors = torch.nn.functional.normalize(vectors, dim=1) if cosine else vectors
        self._items = vectors  # sessions are made of the vectors as they were embedded
        self.decay = decay
        self.cosine = cosine
        self.history_length = history_length

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        return torch.einsum("bd,bcd->bc", self.sessions(histories), self.vectors.to(candidates.device)[candidates])

    def score_all(self, histories: Histories) -> Tensor:
        return self.sessions(histories) @ self.vectors.to(histories.items.device).T

    def item_vectors(self, items: Tensor) -> Tensor:
        return self.vectors.to(items.device)[items]

    def sessions(self, histories: Histories) -> Tensor:
        """-> [B, D]; zeros for an empty history."""
        items = histories.last(self.history_length)  # [B, T]
        ages = torch.arange(items.shape[1], 0, -1, device=items.device).expand_as(items)
        known = (items != 0).float()
        weight = weights(self.decay, ages, known.sum(1, keepdim=True)) * known
        found = torch.einsum("bt,btd->bd", weight, self._items.to(items.device)[items])
        found = found / weight.sum(1, keepdim=True).clamp(min=LEAST)
        return torch.nn.functional.normalize(found, dim=1) if self.cosine else found


class SeqSimStrategy:
    """One recommender, no parts, no objectives."""

    def __init__(self, *, recommender: SeqSim) -> None:
        self._recommender = recommender
        self.history_length = recommender.history_length

    def parts(self) -> Mapping[str, Part]:
        return {}

    def recommender(self, objective: str, ablation: str = "") -> Recommender:
        return self._recommender

    def loss(self, objective: str, batch: Examples | Sequences) -> Tensor:
        raise ComponentError("llm-seq-sim is not trained")

    def fit(self, objective: str, data: TrainingData) -> None:
        raise ComponentError("llm-seq-sim is not trained")


def build(settings: LLMSeqSimSettings, context: BuildContext) -> SeqSimStrategy:
    vectors = embed_items(context)
    if settings.pca is not None:
        vectors = reduce(vectors, settings.pca, items_of_train(context))
    padded = torch.cat([torch.zeros(1, vectors.shape[1]), vectors])
    return SeqSimStrategy(
        recommender=SeqSim(
            vectors=padded,
            decay=settings.session,
            cosine=settings.similarity == "cosine",
            history_length=settings.max_length,
        )
    )
