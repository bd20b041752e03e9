"""What encoders with a closed form over the whole catalogue share."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sasrec_llm.interfaces import Histories, Rows


class Fitted(nn.Module, ABC):
    """Counts once, then answers for all items at a time. All it has learned is in buffers; before, every score is 0."""

    history_length: int

    def __init__(self, *, n_items: int, history_length: int) -> None:
        super().__init__()
        self.n_items = n_items
        self.history_length = history_length

    @abstractmethod
    def fit(self, rows: Rows) -> None: ...

    @abstractmethod
    def score_all(self, histories: Histories) -> Tensor:
        """-> [B, N + 1]"""

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        return self.score_all(histories).gather(1, candidates)

    def read(self, histories: Histories) -> NDArray[np.int64]:
        """The items that count, [B, T]."""
        return histories.last(self.history_length).cpu().numpy()

    @staticmethod
    def answer(scores: NDArray[np.float64], histories: Histories) -> Tensor:
        return torch.from_numpy(scores).float().to(histories.items.device)
