"""The backbones shipped here. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sasrec_llm.backbones.settings import (
    BuiltInLlamaSettings,
    LlamaSettings,
    SentenceEncoderSettings,
    TinyLlamaPresetSettings,
)
from sasrec_llm.components import Component

LLAMA = "Touvron et al. 2023, arXiv 2302.13971"
LORA = "LoRA: Hu et al. 2021, arXiv 2106.09685; 4-bit: Dettmers et al. 2023, arXiv 2305.14314"


def backbones() -> Iterable[Component[Any, Any]]:
    offers = frozenset({"prompts", "lora", "texts", "writes"})
    yield Component(
        name="llama",
        summary="any Llama-family model, from a folder or the Hugging Face hub",
        paper=f"{LLAMA}; {LORA}",
        settings=LlamaSettings,
        build="sasrec_llm.backbones.llama:build",
        offers=offers,
    )
    yield Component(
        name="causal-lm",
        summary="any causal language model of the Hugging Face hub: Qwen, Mistral, SmolLM, Llama",
        paper=LORA,
        settings=LlamaSettings,
        build="sasrec_llm.backbones.llama:build",
        offers=offers,
    )
    yield Component(
        name="tinyllama",
        summary="TinyLlama-1.1B-Chat, the paper's backbone",
        paper=f"Zhang et al. 2024, arXiv 2401.02385; {LORA}",
        settings=TinyLlamaPresetSettings,
        build="sasrec_llm.backbones.llama:build",
        offers=offers,
    )
    yield Component(
        name="tiny-llama",
        summary="a small Llama made here from the item texts: no download",
        paper=LLAMA,
        settings=BuiltInLlamaSettings,
        build="sasrec_llm.backbones.tiny_llama:build",
        offers=offers,
    )
    yield Component(
        name="sentence-encoder",
        summary="any sentence-transformers or Hugging Face encoder: item texts to vectors, no prompts",
        paper="Reimers & Gurevych 2019, arXiv 1908.10084",
        settings=SentenceEncoderSettings,
        build="sasrec_llm.backbones.sentence_encoder:build",
        offers=frozenset({"texts"}),
    )
