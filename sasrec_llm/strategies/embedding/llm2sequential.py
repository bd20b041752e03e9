"""LLM2Sequential: a sequential encoder's item table starts from language-model embeddings of the item texts
(2402.01339, section 3.3), and is trained like any other.

Items without a row in train do not compete in the loss. Left where their text put them they would be lost, since the
items around them move away and grow; so before anything is scored, each takes the place of the trained items whose
texts are nearest to its own, and can be recommended.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sasrec_llm.components import BuildContext
from sasrec_llm.interfaces import Histories, Recommender, TableEncoder
from sasrec_llm.strategies.embedding.item_embeddings import embed_items, items_of_train, reduce
from sasrec_llm.strategies.encoder_only import EncoderOnly
from sasrec_llm.strategies.ranking import every_score
from sasrec_llm.strategies.settings import LLM2SequentialSettings

BLOCK = 1024  # unseen items whose likeness to all others is held at once


class LLM2Sequential(EncoderOnly):
    """The encoder by itself, with unseen items put in their place whenever its table has changed."""

    def __init__(self, *, encoder: TableEncoder, unseen: Tensor, nearest: Tensor) -> None:
        """unseen [U] items; nearest [U, k] items of train for each."""
        super().__init__(encoder=encoder)
        self.table = encoder.items
        self.unseen = unseen
        self.nearest = nearest
        self._placed = -1

    def recommender(self, objective: str, ablation: str = "") -> Recommender:
        return self

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        self.place()
        return self.encoder.score(histories, candidates)

    def score_all(self, histories: Histories) -> Tensor:
        self.place()
        return every_score(self.encoder, histories, len(self.table.weight) - 1)

    def place(self) -> None:
        weight = self.table.weight
        if self.nearest.shape[1] and weight._version != self._placed:
            with torch.no_grad():
                weight[self.unseen] = weight[self.nearest].mean(1)
            self._placed = weight._version


def build(settings: LLM2SequentialSettings, context: BuildContext) -> LLM2Sequential:
    encoder = cast(TableEncoder, context.encoder)
    vectors, train = embed_items(context), items_of_train(context)
    rows = reduce(vectors, encoder.width, train)  # [N, H]
    known = torch.from_numpy(train)
    with torch.no_grad():
        if settings.rescale:
            rows *= encoder.items.weight[1:].std().cpu() / rows[known - 1].std()
        encoder.items.weight[1:] = rows.to(encoder.items.weight)
    encoder.learn_only(known)
    unseen = torch.from_numpy(np.setdiff1d(np.arange(1, context.n_items + 1), train))
    directions = F.normalize(vectors - vectors[known - 1].mean(0), dim=1)
    count = min(settings.neighbours, len(known))
    parts = [
        (directions[some - 1] @ directions[known - 1].T).topk(count).indices for some in torch.split(unseen, BLOCK)
    ]
    nearest = known[torch.cat(parts)] if len(unseen) else unseen[:, None]
    return LLM2Sequential(encoder=encoder, unseen=unseen, nearest=nearest)
