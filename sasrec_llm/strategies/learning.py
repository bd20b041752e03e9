"""What strategies share of learning: the loss of an answer, and an encoder's own objectives."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from sasrec_llm.errors import ComponentError
from sasrec_llm.interfaces import (
    Examples,
    Fittable,
    NextItemLearner,
    Recommender,
    Scorer,
    Sequences,
    TrainingData,
)


def like_loss(recommender: Recommender, batch: Examples) -> Tensor:
    """Binary cross-entropy of the scores, mean over all candidates (eq. 14)."""
    logits = recommender.score(batch.histories, batch.targets)  # [B, C]
    return F.binary_cross_entropy_with_logits(logits.float(), batch.labels)


def encoder_loss(encoder: Scorer, batch: Examples | Sequences) -> Tensor:
    """`like` learns from examples, `next-item` from sequences."""
    if isinstance(batch, Examples):
        return like_loss(encoder, batch)
    if not isinstance(encoder, NextItemLearner):
        raise ComponentError("the encoder has no next_item_loss(sequences), though its component offers `next-item`")
    return encoder.next_item_loss(batch)


def fit_encoder(encoder: Scorer, data: TrainingData) -> None:
    if not isinstance(encoder, Fittable):
        raise ComponentError("the encoder has no fit(rows), though its component offers `fit`")
    encoder.fit(data.rows())
