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
    times: Tensor  # [B] int64: the moment of the question, seconds

    def last(self, n: int) -> Tensor:
        """At most the last n items, [B, min(T, n)]."""
        return self.items[:, -n:]

    def to(self, device: str) -> Histories:
        return Histories(*(getattr(self, name).to(device) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Examples:
    """Histories, the items asked about, and the answers."""

    histories: Histories
    targets: Tensor  # [B, C] int64
    labels: Tensor  # [B, C] float32, 1 = liked
    ratings: Tensor | None = None  # [B, C] float32, where the data has them

    def to(self, device: str) -> Examples:
        ratings = None if self.ratings is None else self.ratings.to(device)
        return Examples(self.histories.to(device), self.targets.to(device), self.labels.to(device), ratings)


@dataclass(frozen=True, slots=True)
class Sequences:
    """Items that B users liked one after the other, to learn every next one from those before it."""

    items: Tensor  # [B, T + 1] int64, oldest first, left-padded with 0
    users: Tensor  # [B] int64
    times: Tensor  # [B] int64: the moment of the last item

    @property
    def inputs(self) -> Histories:
        """[B, T]: all but the last item."""
        items = self.items[:, :-1]
        return Histories(items, (items != 0).sum(1), self.users, self.times)

    @property
    def targets(self) -> Tensor:
        """[B, T]: what followed each input; 0 where there was no input to follow."""
        return self.items[:, 1:] * (self.items[:, :-1] != 0)

    def to(self, device: str) -> Sequences:
        return Sequences(self.items.to(device), self.users.to(device), self.times.to(device))


@dataclass(frozen=True, slots=True)
class Rows:
    """Interactions as columns, one entry a row; what a closed-form encoder is fitted on."""

    users: NDArray[np.int64]  # [rows], 1..n_users
    items: NDArray[np.int64]  # [rows], 1..n_items
    labels: NDArray[np.int64]  # [rows], 1 = liked
    times: NDArray[np.int64]  # [rows], seconds
    ratings: NDArray[np.float32] | None = None  # [rows], where the data has them


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows with their answers and a model's probabilities; what a metric sees."""

    users: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]  # of a like
    ratings: NDArray[np.float32] | None = None  # where the data has them
    expected: NDArray[np.float64] | None = None  # mean rating a model expects, if it answers in ratings
    said: NDArray[np.float64] | None = None  # the rating it finds most likely


@dataclass(frozen=True, slots=True)
class Ranked:
    """Where the item that came next stood among all items the user had not had, and what stood first."""

    users: NDArray[np.int64]  # [rows]
    targets: NDArray[np.int64]  # [rows]
    ranks: NDArray[np.float64]  # [rows], 1 is best, ties by mid-rank
    top: NDArray[np.int64]  # [rows, K] items, best first; 0 where there were fewer
    popularity: NDArray[np.int64]  # [N + 1] likes in train


class TrainingData(Protocol):
    """What may be learned from: the train rows, and the validation rows for what is fitted on a model's answers."""

    popularity: NDArray[np.int64]  # [N + 1] likes in train

    def rows(self, split: str = "train") -> Rows:
        """All rows of `train` or `valid`, ordered by user and time."""
        ...

    def examples(self, split: str, index: NDArray[np.int64], length: int) -> Examples:
        """The rows number `index` of a split as questions with one candidate each."""
        ...


class Part(Protocol):
    """What every trainable part has because it is an `nn.Module`."""

    def parameters(self) -> Iterator[nn.Parameter]: ...
    def state_dict(self) -> Mapping[str, Tensor]: ...
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any: ...
    def train(self, mode: bool = True) -> Any: ...
    def to(self, device: str) -> Any: ...


class Recommender(Protocol):
    """Scores candidates for histories. Evaluation knows nothing else of a model, but for `Ranker` and `Lister`."""

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        """Logits of "the user likes it": [B, C] item ids -> [B, C]."""
        ...


@runtime_checkable
class Ranker(Protocol):
    """Scores the whole catalogue at less than the price of N candidates."""

    def score_all(self, histories: Histories) -> Tensor:
        """-> [B, N + 1]; column i is item i, column 0 means nothing."""
        ...


@runtime_checkable
class Lister(Protocol):
    """Names the best items without scoring all of them."""

    def rank(self, histories: Histories, k: int, seen: Tensor) -> Tensor:
        """The best k items, best first, none of `seen` [B, S] (padded with 0) -> [B, k], 0 where there are fewer."""
        ...


@runtime_checkable
class Rater(Protocol):
    """A recommender that answers in ratings."""

    ratings: tuple[float, ...]  # A of them, ascending or not; empty: it answers yes or no after all

    def rate(self, histories: Histories, candidates: Tensor) -> Tensor:
        """[B, C] -> log-probabilities of the ratings [B, C, A]"""
        ...


@dataclass(frozen=True, slots=True)
class Member:
    """A finished run, loaded, as a voice among others."""

    name: str
    identity: str  # hash of all that it depends on
    recommender: Recommender
    history_length: int


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


@runtime_checkable
class TextEmbedder(Protocol):
    """Turns texts into vectors: capability `texts`."""

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """One vector a text -> [n, D] float32, on the CPU, the same whatever the other texts are."""
        ...


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


class Reading(Protocol):
    """B prompts that a language model has read, and the tokens written behind them."""

    state: Tensor  # [B, D] after the last token of each prompt

    def write(self, tokens: Tensor, depth: Tensor, sees: Tensor) -> Tensor:
        """Tokens [B, S] at `depth` [S] behind the prompt, 0 being next; each sees the prompt and, of the W tokens
        written before and the S themselves, those where `sees` [B, S, W + S] -> their states [B, S, D]."""
        ...

    def forget(self) -> None:
        """What was written; the prompts stay."""
        ...


class WritingBackbone(Backbone, Protocol):
    """A language model that goes on where a prompt ends: capability `writes`."""

    @property
    def end(self) -> int:
        """The token that ends what is written."""
        ...

    def read(self, embeddings: Tensor, lengths: Tensor) -> Reading:
        """Right-padded prompts [B, L, D] of `lengths` [B]."""
        ...

    def logits(self, states: Tensor) -> Tensor:
        """Of the token that follows each state, for the whole vocabulary: [..., D] -> [..., V] float32"""
        ...


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


class Metric(Protocol):
    """Of `Scored` for the task `like`, of `Ranked` for the task `next-item`."""

    def __call__(self, answers: Any) -> float:
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
    steps: int  # optimiser steps of an epoch; 0 for a closed form
    metric: str
