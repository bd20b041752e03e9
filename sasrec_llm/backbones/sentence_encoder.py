"""A sentence embedder: any sentence-transformers model, or any encoder of the Hugging Face hub.

Its weights are read when a text comes that is not in the cache, and not before.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from sasrec_llm.backbones.model_files import (
    UNREADABLE,
    check_folder,
    check_report,
    find_folder,
    first_line,
    precision,
)
from sasrec_llm.backbones.sentence_layout import read_layout
from sasrec_llm.backbones.settings import SentenceEncoderSettings
from sasrec_llm.backbones.text import PlainTokenizer
from sasrec_llm.backbones.text_vectors import TextReader, embed_texts
from sasrec_llm.backbones.vector_cache import VectorCache
from sasrec_llm.components import BuildContext
from sasrec_llm.errors import ModelError

FROM_PADDING = ("roberta", "mpnet", "camembert", "longformer")  # number their positions from the padding id on
LONGEST = 512  # of a model that reads any length


class SentenceEncoder(nn.Module):
    """Texts to vectors. Nothing in it is trained, so as a part it has no parameters."""

    def __init__(
        self,
        *,
        folder: Path,
        config: Any,
        settings: SentenceEncoderSettings,
        lower_case: bool,
        cache: VectorCache | None,
        device: str,
        source: Path,
    ) -> None:
        """`settings` without any `auto`, but for the dtype."""
        super().__init__()
        self.width: int = config.hidden_size
        self._folder, self._config, self._settings, self._lower_case = folder, config, settings, lower_case
        self._cache, self._device, self.source = cache, device, source

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """-> [n, D] float32, on the CPU."""
        settings: Any = self._settings
        reader = TextReader(
            encode=self._encode,
            states=self._states,
            width=self.width,
            device=self._device,
            pooling=settings.pooling,
            normalise=settings.normalise,
            batch_tokens=settings.batch_tokens,
        )
        return embed_texts(texts, reader, self._cache)

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        given = [self._settings.prefix + text for text in texts]
        if self._lower_case:
            given = [text.lower() for text in given]
        return PlainTokenizer(self._tokenizer)(given, truncation=True, max_length=self._max_tokens)

    def _states(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        mask = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        (model,) = self._loaded
        return model(input_ids=tokens, attention_mask=mask.long()).last_hidden_state  # type: ignore[no-any-return]

    @functools.cached_property
    def _tokenizer(self) -> Any:
        return AutoTokenizer.from_pretrained(str(self._folder), use_fast=True)

    @functools.cached_property
    def _max_tokens(self) -> int:
        """What was asked for, as far as the model has positions."""
        positions = getattr(self._config, "max_position_embeddings", None)
        if positions and any(name in self._config.model_type for name in FROM_PADDING):
            positions -= (self._config.pad_token_id or 0) + 1
        own = self._tokenizer.model_max_length  # 1e30 where the folder does not say
        longest = min(own, positions) if positions else own if own < 1e6 else LONGEST
        return int(min(self._settings.max_tokens or longest, positions or self._settings.max_tokens or longest))

    @functools.cached_property
    def _loaded(self) -> tuple[Any]:
        """The model, in a tuple, where torch does not look for parameters."""
        disable_progress_bar()
        kind = AutoModelForTextEncoding if self._config.is_encoder_decoder else AutoModel
        try:
            model, report = kind.from_pretrained(
                str(self._folder),
                config=self._config,
                dtype=precision(self._settings.dtype, self._device),
                use_safetensors=True,
                output_loading_info=True,
            )
        except UNREADABLE as error:
            raise ModelError(f"cannot load the model in {self._folder}: {first_line(error)}") from error
        check_report(report, str(self._folder), unused=("pooler.",))  # what is pooled here lies below it
        return (model.requires_grad_(False).eval().to(self._device),)


def build(settings: SentenceEncoderSettings, context: BuildContext) -> SentenceEncoder:
    return load(settings, cache=context.cache, device=context.device)


def load(settings: SentenceEncoderSettings, *, cache: Path | None, device: str) -> SentenceEncoder:
    """Reads the configuration only."""
    folder = find_folder(settings.model, settings.revision)
    layout = read_layout(folder, chosen=settings.pooling != "auto")
    check_folder(layout.transformer)
    found = {"pooling": layout.pooling, "normalise": layout.normalise, "max_tokens": layout.max_tokens}
    given = {key: value for key, value in settings if key in found and value not in ("auto", None)}
    settings = settings.model_copy(update=found | given)
    about = settings.model_dump(exclude={"model", "revision", "batch_tokens"})
    about["dtype"] = str(precision(settings.dtype, device))
    try:
        config = AutoConfig.from_pretrained(str(layout.transformer))
    except UNREADABLE as error:
        raise ModelError(f"cannot read the config.json of {settings.model}: {first_line(error)}") from error
    return SentenceEncoder(
        folder=layout.transformer,
        config=config,
        settings=settings,
        lower_case=layout.lower_case,
        cache=VectorCache(cache=cache, model=folder, about=about) if cache else None,
        device=device,
        source=folder,
    )
