"""Strategies: how the parts meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from sasrec_llm.interfaces.batches import Examples, Sequences, TrainingData
from sasrec_llm.interfaces.recommenders import Part, Recommender

if TYPE_CHECKING:
    from torch import Tensor


class Strategy(Protocol):
    """How the parts meet. Knows objectives; each has a recommender, and a loss or a closed form."""

    history_length: int

    def parts(self) -> Mapping[str, Part]:
        """What a stage may name under `train` and `load`."""
        ...

    def recommender(self, objective: str, ablation: str = "") -> Recommender:
        """What an objective has trained, whole or without what the ablation takes from it."""
        ...

    def loss(self, objective: str, batch: Examples | Sequences) -> Tensor:
        """What an objective that learns from `rows`, `likes` or `sequences` makes small -> []"""
        ...

    def fit(self, objective: str, data: TrainingData) -> None:
        """What an objective that learns from `all` does: a closed form, at one look."""
        ...


@runtime_checkable
class Dependent(Protocol):
    """A strategy that is made of more than its recipe says, such as finished runs."""

    depends_on: str  # hash of it
