"""What answers: parts that learn, and recommenders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from sasrec_llm.interfaces.batches import Histories

if TYPE_CHECKING:
    from torch import Tensor, nn


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
class Factored(Protocol):
    """A score is the product of a user's and an item's vector: ranking needs no table of scores."""

    def factors(self, histories: Histories) -> tuple[Tensor, Tensor]:
        """-> [B, H], [N + 1, H]; row i is item i, row 0 means nothing."""
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


@runtime_checkable
class Prompted(Protocol):
    """A recommender that asks a language model about one item after the other."""

    def prompts_for(self, histories: Histories, candidates: Tensor) -> list[list[str]]:
        """What it is asked, for people to read: [B, C] -> B lists of C texts."""
        ...


@runtime_checkable
class Vectored(Protocol):
    """Whatever has a vector for every item."""

    def item_vectors(self, items: Tensor) -> Tensor:
        """[...] -> [..., H]"""
        ...


@dataclass(frozen=True, slots=True)
class Member:
    """A finished run, loaded, as a voice among others."""

    name: str
    identity: str  # hash of all that it depends on
    recommender: Recommender
    history_length: int
