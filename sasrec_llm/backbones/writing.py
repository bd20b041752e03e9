"""Writing behind a prompt: it is read once, and any number of continuations branch off it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from sasrec_llm.errors import ModelError


class ReadPrompts:
    """The keys and values of B prompts and of the tokens written behind them.

    What is written is a tree: a token says which of the others it follows, and sees no more (tree attention). So all
    beams of a user share the one copy of the prompt, and nothing is copied when beams are dropped or split.
    """

    def __init__(self, *, model: Any, embeddings: Tensor, lengths: Tensor) -> None:
        """`model`: a causal language model of `transformers`; embeddings [B, L, D], right-padded; lengths [B]."""
        rows, longest = embeddings.shape[:2]
        self._decoder, self._embed = model.get_decoder(), model.get_input_embeddings()
        self._cache = DynamicCache()  # without the config: keeps every token, also of models with a sliding window
        found = self._decoder(inputs_embeds=embeddings, past_key_values=self._cache, use_cache=True)
        self.state: Tensor = found.last_hidden_state[torch.arange(rows, device=lengths.device), lengths - 1]
        self._lengths = lengths
        self._known = torch.arange(longest, device=lengths.device) < lengths[:, None]  # [B, L]

    def write(self, tokens: Tensor, depth: Tensor, sees: Tensor) -> Tensor:
        embeddings = self._embed(tokens)
        visible = torch.cat([self._known[:, None].expand(-1, tokens.shape[1], -1), sees], dim=2)
        hidden = embeddings.new_zeros(()).where(visible, torch.finfo(embeddings.dtype).min)
        found = self._decoder(
            inputs_embeds=embeddings,
            attention_mask=hidden[:, None],  # [B, 1, S, L + W + S], added to the attention as it is
            position_ids=self._lengths[:, None] + depth,
            past_key_values=self._cache,
            use_cache=True,
        )
        return found.last_hidden_state  # type: ignore[no-any-return]

    def forget(self) -> None:
        self._cache.crop(self._known.shape[1] - self._cache.get_seq_length())


def token_logits(model: Any, states: Tensor) -> Tensor:
    """[..., D] -> [..., V] float32"""
    return model.get_output_embeddings()(states).float()  # type: ignore[no-any-return]


def end_token(tokenizer: Any) -> int:
    """The end-of-text token, or a line break where a tokenizer has none."""
    if tokenizer.eos_token_id is not None:
        return int(tokenizer.eos_token_id)
    ids = tokenizer("\n", add_special_tokens=False)["input_ids"]
    if not ids:
        raise ModelError("this tokenizer has neither an end-of-text token nor a line break to end a title with")
    return int(ids[-1])
