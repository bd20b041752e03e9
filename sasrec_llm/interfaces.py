"""The contracts between parts.

Shape letters, used everywhere: B batch, T history length, C candidates, N items, H encoder width,
D backbone width, L prompt length, K soft tokens. Item and user ids count from 1; 0 is padding / unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Histories:
    """What is known of B users at the moment a question is asked about them."""

    items: Tensor  # [B, T] int64: the last T liked items, oldest first, left-padded with 0
    lengths: Tensor  # [B] int64: liked items so far, also those that T cuts off
    users: Tensor  # [B] int64

    def last(self, n: int) -> Tensor:
        """At most the last n items, [B, min(T, n)]."""
        return self.items[:, -n:]

    def to(self, device: str) -> Histories:
        return Histories(self.items.to(device), self.lengths.to(device), self.users.to(device))


@dataclass(frozen=True, slots=True)
class Examples:
    """Histories, the items asked about, and the answers."""

    histories: Histories
    targets: Tensor  # [B, C] int64
    labels: Tensor  # [B, C] float32, 1 = liked

    def to(self, device: str) -> Examples:
        return Examples(self.histories.to(device), self.targets.to(device), self.labels.to(device))


@dataclass(frozen=True, slots=True)
class Rows:
    """Interactions as columns, one entry a row; what a closed-form encoder is fitted on."""

    users: NDArray[np.int64]  # [rows], 1..n_users
    items: NDArray[np.int64]  # [rows], 1..n_items
    labels: NDArray[np.int64]  # [rows], 1 = liked
    times: NDArray[np.int64]  # [rows], seconds


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows with their answers and a model's probabilities; what a metric sees."""

    users: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]


class Part(Protocol):
    """What every trainable part has because it is an `nn.Module`."""

    def parameters(self) -> Iterator[nn.Parameter]: ...
    def state_dict(self) -> Mapping[str, Tensor]: ...
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any: ...
    def train(self, mode: bool = True) -> Any: ...
    def to(self, device: str) -> Any: ...


class Recommender(Protocol):
    """Scores candidates for histories. Evaluation knows nothing else of a model."""

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        """Logits of "the user likes it": [B, C] item ids -> [B, C]."""
        ...


class Scorer(Part, Recommender, Protocol):
    """The least an encoder can be: `score`, over histories cut to `history_length`."""

    history_length: int


@runtime_checkable
class Fittable(Protocol):
    """An encoder with a closed form: objective `fit`, no gradients."""

    def fit(self, rows: Rows) -> None: ...


class Encoder(Scorer, Protocol):
    """An encoder with vectors that an aligner can translate."""

    width: int

    def states(self, histories: Histories) -> Tensor:
        """[B, T] -> [B, min(T, history_length), H]; state t has seen items 0..t and none after."""
        ...

    def user_vectors(self, histories: Histories) -> Tensor:
        """-> [B, H]"""
        ...

    def item_vectors(self, items: Tensor) -> Tensor:
        """[...] -> [..., H]"""
        ...


class Aligner(Part, Protocol):
    """Encoder space to LLM space: [..., H] -> [..., K, D], called like a function."""

    tokens: int

    def __call__(self, vectors: Tensor) -> Tensor: ...


class TextTokenizer(Protocol):
    """Text to token ids, where no text can become a special token."""

    def opening(self, text: str) -> list[int]:
        """Ids of a text that opens a prompt."""
        ...

    def pieces(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of texts that stand in the middle of a prompt."""
        ...


class Backbone(Part, Protocol):
    """A causal language model with its tokenizer and, if asked for, a LoRA adapter."""

    width: int
    context: int  # the longest prompt it can read, in tokens
    tokenizer: TextTokenizer

    @property
    def lora(self) -> Part | None: ...
    @property
    def embedding_scale(self) -> float:
        """Standard deviation of the token embeddings, which soft tokens should match."""
        ...

    def embed(self, tokens: Tensor) -> Tensor:
        """[B, L] -> [B, L, D]"""
        ...

    def next_logits(self, embeddings: Tensor, lengths: Tensor, answers: Tensor) -> Tensor:
        """Logits of the tokens `answers` [A] after the last of `lengths` [B] right-padded embeddings
        [B, L, D] -> [B, A]."""
        ...


class Strategy(Protocol):
    """How the parts meet. Knows objectives; each has a recommender, and is trained by its answers."""

    history_length: int

    def parts(self) -> Mapping[str, Part]:
        """What a stage may name under `train` and `load`."""
        ...

    def recommender(self, objective: str) -> Recommender: ...


class Metric(Protocol):
    def __call__(self, scored: Scored) -> float:
        """nan where it is not defined, such as AUC of one class."""
        ...


@dataclass(frozen=True, slots=True)
class StageInfo:
    """What the event hooks are told about a stage."""

    run: str
    name: str
    position: int  # from 1
    count: int
    objective: str
    train: Mapping[str, int]  # part -> number of parameters
    epochs: int
    steps: int  # optimiser steps of an epoch
    metric: str
