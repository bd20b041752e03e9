"""States that are asked for: a last layer need not work out what nobody reads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from sasrec_llm.backbones.families import is_tested
from sasrec_llm.backbones.sharding import reads_behind
from sasrec_llm.backbones.text_vectors import batches

TOKENS = {"cpu": 4096}  # read at once: what a CPU keeps in cache with all that is made of them
MANY = 16384  # the same on a device that computes them all at once


@contextlib.contextmanager
def only_at(decoder: Any, positions: Tensor) -> Iterator[None]:
    """States at `positions` [B, A] are what they would be, all others mean nothing.

    What comes behind the last attention works on each position by itself. Of it the feed-forward network counts, most
    of a layer's arithmetic: its input is cut to what is asked, and its output put back.
    """
    if not is_tested(decoder.config):
        yield
        return
    shape: list[Any] = []

    def cut(_: Any, inputs: tuple[Tensor, ...]) -> Tensor:
        (states,) = inputs  # [B, L, D]
        shape[:] = [states.shape]
        return states.gather(1, index(states))

    def put_back(_: Any, __: Any, found: Tensor) -> Tensor:
        return found.new_zeros(shape[0]).scatter(1, index(found), found)

    def index(states: Tensor) -> Tensor:
        return positions[..., None].expand(-1, -1, states.shape[-1])

    feed_forward = decoder.layers[-1].mlp
    hooks = feed_forward.register_forward_pre_hook(cut), feed_forward.register_forward_hook(put_back)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def last_states(decoder: Any, embeddings: Tensor, lengths: Tensor) -> Tensor:
    """Right-padded prompts [B, L, D] of `lengths` [B] -> the states of their last tokens [B, D].

    Prompts of like length are read together, with little padding.
    """
    device = embeddings.device
    parts = [rows.to(device) for rows in batches(lengths.cpu(), TOKENS.get(device.type, MANY))]
    order, sizes = torch.cat(parts), [len(rows) for rows in parts]
    behind = reads_behind(decoder, len(parts))  # known before anyone reads: nobody goes on alone
    found = [
        _last(decoder, part[:, : int(ends.max())], ends[:, None] - 1)
        for part, ends in zip(*(torch.split(given[order], sizes) for given in (embeddings, lengths)), strict=True)
    ]
    states = torch.cat(found)[order.argsort()]
    return states + _nothing(decoder, embeddings, behind) if behind else states


def _nothing(decoder: Any, embeddings: Tensor, times: int) -> Tensor:
    """Zeros [1, D], for which the decoder reads so many times, and for their gradient; it draws no random number."""
    device = embeddings.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        first = torch.zeros(1, 1, dtype=torch.int64, device=device)
        return 0 * torch.stack([_last(decoder, embeddings[:1, :1], first) for _ in range(times)]).sum(0)


def _last(decoder: Any, embeddings: Tensor, last: Tensor) -> Tensor:
    with only_at(decoder, last):
        states = decoder(inputs_embeds=embeddings, use_cache=False).last_hidden_state
    return states.gather(1, last[..., None].expand(-1, -1, states.shape[-1]))[:, 0]  # type: ignore[no-any-return]
