"""Who is asked about: a user of the data, somebody who names what they liked, or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sasrec_llm.interfaces import Histories


@dataclass(frozen=True, slots=True)
class Question:
    """What is known of one person at the moment of asking."""

    user: int = 0  # number; 0 for somebody whom the data does not know
    items: tuple[int, ...] = ()  # liked, oldest first
    times: tuple[int, ...] = ()  # of each, seconds
    seen: frozenset[int] = frozenset()  # not to be recommended: liked or disliked


def histories(questions: Sequence[Question], length: int, now: int) -> Histories:
    """Their last `length` likes: [B, T]."""
    return Histories(
        padded([question.items[-length:] for question in questions], length),
        torch.tensor([len(question.items) for question in questions]),
        torch.tensor([question.user for question in questions]),
        torch.full((len(questions),), now),
        padded([question.times[-length:] for question in questions], length),
    )


def padded(lists: Sequence[Sequence[int]], length: int) -> Tensor:
    """Lists of at most `length` numbers, padded on the left with 0 -> [B, length]."""
    found = np.zeros((len(lists), length), np.int64)
    for row, numbers in enumerate(lists):
        found[row, length - len(numbers) :] = numbers
    return torch.from_numpy(found)
