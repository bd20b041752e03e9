"""Popularity: what was liked most often comes first, for everyone alike."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sasrec_llm.components import BuildContext
from sasrec_llm.encoders.fitted import Fitted
from sasrec_llm.encoders.settings import PopularitySettings
from sasrec_llm.interfaces import Histories, Rows

DAY = 86_400  # seconds


class Popularity(Fitted):
    """log(likes[i] + smoothing), centred, of all likes or of those of the last days of train."""

    scores: Tensor

    def __init__(self, *, n_items: int, days: float | None, smoothing: float) -> None:
        super().__init__(n_items=n_items, history_length=1)
        self.days = days
        self.smoothing = smoothing
        self.register_buffer("scores", torch.zeros(n_items + 1))

    def fit(self, rows: Rows) -> None:
        counted = rows.labels == 1
        if self.days is not None and len(rows.times):
            counted &= rows.times > rows.times.max() - self.days * DAY
        likes = np.bincount(rows.items[counted], minlength=self.n_items + 1)
        scores = np.log(likes + self.smoothing)
        self.scores.copy_(torch.from_numpy(scores - scores[1:].mean()))

    def score_all(self, histories: Histories) -> Tensor:
        return self.scores.repeat(len(histories.items), 1)  # the caller's own, to mask as it likes


def build(settings: PopularitySettings, context: BuildContext) -> Popularity:
    return Popularity(n_items=context.n_items, days=settings.days, smoothing=settings.smoothing)
