"""Encoders, from the least they can be, and aligners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from sasrec_llm.interfaces.batches import Histories, Rows, Sequences
from sasrec_llm.interfaces.recommenders import Part, Recommender

if TYPE_CHECKING:
    from torch import Tensor, nn


class Scorer(Part, Recommender, Protocol):
    """The least an encoder can be: `score`, over histories cut to `history_length`."""

    history_length: int


@runtime_checkable
class Fittable(Protocol):
    """An encoder with a closed form: objective `fit`, no gradients."""

    def fit(self, rows: Rows) -> None: ...


@runtime_checkable
class NextItemLearner(Protocol):
    """An encoder that learns which item comes next: objective `next-item`."""

    def next_item_loss(self, sequences: Sequences) -> Tensor:
        """Mean over the targets of the batch -> []"""
        ...


@runtime_checkable
class RowReader(Protocol):
    """An encoder with tables of which a training step reads few rows, and changes no other."""

    def rows_of_step(self, batch_size: int) -> int:
        """Of each table, at most."""
        ...


class Encoder(Scorer, Protocol):
    """An encoder with vectors that an aligner can translate: capability `vectors`."""

    width: int

    def user_vectors(self, histories: Histories) -> Tensor:
        """-> [B, H]"""
        ...

    def item_vectors(self, items: Tensor) -> Tensor:
        """[...] -> [..., H]"""
        ...


class StatefulEncoder(Encoder, Protocol):
    """An encoder with a vector for every step of the history: capability `states`."""

    def states(self, histories: Histories) -> Tensor:
        """[B, T] -> [B, min(T, history_length), H]; of a causal encoder (capability `causal`), state t has seen items
        0..t and none after."""
        ...


class TableEncoder(Encoder, Protocol):
    """An encoder whose item vectors are rows of one trainable table: capability `table`."""

    items: nn.Embedding  # [N + 1, H]; row 0 is padding

    def learn_only(self, items: Tensor) -> None:
        """Only these items [n] compete as next items in training: the vectors of all others get no gradient."""
        ...


class Aligner(Part, Protocol):
    """Encoder space to LLM space, called like a function."""

    tokens: int
    reads_states: bool  # whether a user is given as the states of a history, or as one vector

    def __call__(self, vectors: Tensor, known: Tensor | None = None) -> Tensor:
        """One vector [..., H] -> its tokens [..., K, D]; if it reads states: all the states of a history [..., T, H],
        where `known` [..., T] -> [..., K, D]."""
        ...
