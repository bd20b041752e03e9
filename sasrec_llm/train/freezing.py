"""Hierarchical freezing: what a stage does not list has no gradient and no dropout."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from torch import nn

from sasrec_llm.interfaces import Part


def weights(part: Part) -> list[nn.Parameter]:
    return list(part.parameters())


@contextlib.contextmanager
def only(parts: Mapping[str, Part], trained: Sequence[str]) -> Iterator[dict[str, list[nn.Parameter]]]:
    """Within, just the parameters of `trained` ask for gradients; yields them by part."""
    chosen = {name: weights(parts[name]) for name in trained}
    for part in parts.values():
        for weight in part.parameters():
            weight.requires_grad_(False)
    for found in chosen.values():
        for weight in found:
            weight.requires_grad_(True)
    try:
        yield chosen
    finally:
        set_mode(parts, ())
        for found in chosen.values():
            for weight in found:
                weight.requires_grad_(False)
                weight.grad = None


def set_mode(parts: Mapping[str, Part], trained: Sequence[str]) -> None:
    for name, part in parts.items():
        part.train(name in trained)
