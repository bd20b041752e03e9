"""Language models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from sasrec_llm.interfaces.recommenders import Part

if TYPE_CHECKING:
    from torch import Tensor


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

    def text(self, ids: Sequence[int]) -> str:
        """Tokens for people to read."""
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


@runtime_checkable
class BranchingBackbone(Protocol):
    """A backbone that reads what several prompts begin with once, which makes it fast and changes no answer."""

    def branch_logits(
        self, prompts: Tensor, lengths: Tensor, branches: Tensor, branch_lengths: Tensor, answers: Tensor
    ) -> Tensor:
        """`next_logits` of C continuations of each of B prompts: prompts [B, L, D] of `lengths` [B], branches
        [B, C, S, D] of `branch_lengths` [B, C], all right-padded -> [B, C, A]."""
        ...


@runtime_checkable
class Portable(Protocol):
    """A backbone that was read from a Hugging Face folder, which can be taken along."""

    source: Path | None


@runtime_checkable
class Mergeable(Protocol):
    """A backbone that can be written as one plain model, with its LoRA in it."""

    @property
    def lora(self) -> Part | None: ...
    def save_merged(self, folder: Path) -> None:
        """W + (alpha / r) · B A in the place of W. The backbone is of no more use afterwards."""
        ...


@runtime_checkable
class Shardable(Protocol):
    """A backbone whose layers can be divided over the processes of a run, if its settings say so.

    Once they are, all processes have to ask it equally often."""

    @property
    def sharded(self) -> bool: ...
    def shard(self) -> None:
        """All processes do it at once, after each has built its own. In one process it does nothing."""
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
