"""Writing behind a prompt: it is read once, and any number of continuations branch off it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from sasrec_llm.backbones.asked import only_at
from sasrec_llm.errors import ModelError


class ReadPrompts:
    """The keys and values of B prompts and of the tokens written behind them.

    What is written is a tree: a token says which of the others it follows, and sees no more (tree attention). So all
    beams of a user share the one copy of the prompt, and nothing is copied when beams are dropped or split.
    """

    def __init__(self, *, model: Any, embeddings: Tensor, lengths: Tensor) -> None:
        """`model`: a causal language model of `transformers`; embeddings [B, L, D], right-padded; lengths [B]."""
        rows, longest = embeddings.shape[:2]
        self.decoder, self._embed = model.get_decoder(), model.get_input_embeddings()
        self._cache = DynamicCache()  # without the config: keeps every token, also of models with a sliding window
        with only_at(self.decoder, lengths[:, None] - 1):
            found = self.decoder(inputs_embeds=embeddings, past_key_values=self._cache, use_cache=True)
        self.state: Tensor = found.last_hidden_state[torch.arange(rows, device=lengths.device), lengths - 1]
        self._lengths = lengths
        steps = torch.arange(longest, device=lengths.device)
        self._known = steps < lengths[:, None]  # [B, L]
        self._prompt = self._at = steps.expand(rows, -1)  # [B, L], and [B, L + W]: where what is kept stands

    def write(self, tokens: Tensor, depth: Tensor, sees: Tensor) -> Tensor:
        return self.go_on(self._embed(tokens), depth, sees)

    def go_on(self, embeddings: Tensor, depth: Tensor, sees: Tensor) -> Tensor:
        """As `write`, of embeddings [B, S, D] at `depth` [S] or [B, S]."""
        positions = (self._lengths[:, None] + depth).expand(embeddings.shape[:2])
        self._at = torch.cat([self._at, positions], dim=1)
        visible = torch.cat([self._known[:, None].expand(-1, embeddings.shape[1], -1), sees], dim=2)
        found = self.decoder(
            inputs_embeds=embeddings,
            attention_mask=self._masks(visible, positions, embeddings),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
        )
        return found.last_hidden_state  # type: ignore[no-any-return]

    def _masks(self, visible: Tensor, positions: Tensor, embeddings: Tensor) -> Tensor | dict[str, Tensor]:
        """What is added to the attention [B, 1, S, L + W + S]; one for each kind of layer where a model has two. A
        sliding window is a distance of positions, wherever the tokens are kept."""
        config = self.decoder.config
        window = getattr(config, "sliding_window", None)
        kinds = set(getattr(config, "layer_types", None) or ["sliding_attention"])
        near = visible if window is None else visible & (positions[:, :, None] - self._at[:, None] < window)
        lowest = torch.finfo(embeddings.dtype).min
        full, sliding = (embeddings.new_zeros(()).where(seen, lowest)[:, None] for seen in (visible, near))
        if window is None or "sliding_attention" not in kinds:
            return full
        return sliding if len(kinds) == 1 else {"full_attention": full, "sliding_attention": sliding}

    def forget(self) -> None:
        self._cache.crop(self._known.shape[1] - self._cache.get_seq_length())
        self._at = self._prompt


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
