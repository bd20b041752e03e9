"""Texts to vectors, for every model that can read them: each text once, in batches of like length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sasrec_llm import products
from sasrec_llm.backbones.vector_cache import VectorCache
from sasrec_llm.errors import NonFiniteError

CPU_TOKENS, TOKENS = 1024, 8192  # read at once
Pooling = Literal["mean", "last", "cls"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReader:
    """What differs between models."""

    encode: Callable[[Sequence[str]], list[list[int]]]  # token ids of each text, cut to what is read
    states: Callable[[Tensor, Tensor], Tensor]  # right-padded tokens [B, L], lengths [B] -> [B, L, D]
    width: int  # D
    device: str
    pooling: Pooling
    normalise: bool
    batch_tokens: int | None
    opening: int = 0  # tokens before every text that are read and not averaged


def embed_texts(texts: Sequence[str], reader: TextReader, cache: VectorCache | None) -> Tensor:
    """-> [n, D] float32, on the CPU. A text without any token gets zeros."""
    if not texts:
        return torch.zeros(0, reader.width)
    unique = {text: row for row, text in enumerate(dict.fromkeys(texts))}

    def compute(missing: Sequence[str]) -> Tensor:
        vectors = read(reader.encode(missing), reader)
        wrong = (~vectors.isfinite().all(1)).nonzero().flatten().tolist()
        if wrong:
            raise NonFiniteError(
                f"the vectors of {len(wrong)} texts are not finite, such as {missing[wrong[0]][:60]!r}"
            )
        return vectors

    found = cache.fill(list(unique), reader.width, compute) if cache else compute(list(unique))
    return found[torch.tensor([unique[text] for text in texts], dtype=torch.int64)]


def read(tokens: Sequence[Sequence[int]], reader: TextReader) -> Tensor:
    """Token ids of n texts -> [n, D] float32, on the CPU, whatever precision the caller computes in."""
    vectors = torch.zeros(len(tokens), reader.width)
    lengths = torch.tensor([len(found) for found in tokens], dtype=torch.int64)
    # Not inference mode: what is made there cannot start a table that is trained later.
    plain = torch.autocast(torch.device(reader.device).type, enabled=False)
    with torch.no_grad(), plain, products.of_texts(reader.width):
        size = reader.batch_tokens or (CPU_TOKENS if reader.device == "cpu" else TOKENS)
        for rows in batches(lengths, size):
            padded = torch.zeros(len(rows), int(lengths[rows].max()), dtype=torch.int64)
            padded[torch.arange(padded.shape[1]) < lengths[rows, None]] = torch.tensor(
                [token for row in rows.tolist() for token in tokens[row]]
            )
            known = lengths[rows].to(reader.device)
            states = reader.states(padded.to(reader.device), known)  # [B, L, D]
            pooled = pool(states.float(), known, reader.pooling, reader.opening)
            vectors[rows] = (F.normalize(pooled, dim=-1) if reader.normalise else pooled).cpu()
    return vectors


def batches(lengths: Tensor, batch_tokens: int) -> Iterator[Tensor]:
    """Row numbers, longest texts first, so that too large a batch shows at once; rows without tokens are left out."""
    order = lengths.argsort(descending=True, stable=True)
    order = order[: int((lengths > 0).sum())]
    start = 0
    while start < len(order):
        size = max(1, batch_tokens // int(lengths[order[start]]))
        yield order[start : start + size]
        start += size


def pool(states: Tensor, lengths: Tensor, pooling: Pooling, opening: int = 0) -> Tensor:
    """[B, L, D], lengths [B] -> [B, D]. `opening` tokens are left out of the mean, but where nothing follows them."""
    if pooling == "cls":
        return states[:, 0]
    if pooling == "last":
        return states[torch.arange(len(states), device=states.device), lengths - 1]
    steps = torch.arange(states.shape[1], device=states.device)
    first = torch.where(lengths > opening, opening, 0)
    counted = (steps >= first[:, None]) & (steps < lengths[:, None])  # [B, L]
    return states.masked_fill(~counted[..., None], 0).sum(1) / counted.sum(1, keepdim=True)
