"""The promises of a backbone."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sasrec_llm.components import Component, Settings
from sasrec_llm.interfaces import BranchingBackbone
from sasrec_llm.testing.promises import chosen, promise, promised
from sasrec_llm.testing.world import context

STRANGE = ("", " ", "x", "The <unk> of </s> [MASK] 🎬", "a\nb", "long " * 300, "Item number 1", "Item number 1")


def check_backbone(component: Component[Any, Any], settings: Mapping[str, Any] | None = None) -> None:
    """What every backbone promises: with `texts`, a finite vector for any text, the same in any company; with
    `prompts`, answers that no other row and no padding can change; with `lora`, an adapter to train."""
    with promised("backbone", component.name):
        found = chosen(component.settings, settings)
        with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
            backbone, other = (_make_backbone(component, found, Path(cache)) for cache in (first, second))
            promise(backbone.width > 0, "width is the length of a vector, or of a token's embedding")
            if "texts" in component.offers:
                _check_texts(backbone, other)
            if "prompts" in component.offers:
                _check_prompts(backbone)
            if "lora" in component.offers:
                promise(backbone.lora is not None, "lora by default")
                promise(list(backbone.lora.parameters()), "an adapter has parameters")


def _make_backbone(component: Component[Any, Any], settings: Settings, cache: Path) -> Any:
    torch.manual_seed(3)
    backbone = component.make(settings, context(cache=cache))
    backbone.train(False)
    return backbone


def _check_texts(backbone: Any, other: Any) -> None:
    together = backbone.embed_texts(STRANGE)
    promise(together.shape == (len(STRANGE), backbone.width), f"embed_texts: [n, D]; got {tuple(together.shape)}")
    where = (together.dtype, together.device.type)
    promise(where == (torch.float32, "cpu"), f"embed_texts: float32 on the CPU; got {where[0]} on {where[1]}")
    promise(torch.isfinite(together).all(), "embed_texts: finite, also for an empty text")
    promise(backbone.embed_texts([]).shape == (0, backbone.width), "embed_texts: no texts, no vectors")
    promise(torch.equal(together, backbone.embed_texts(STRANGE)), "embed_texts: the same twice")
    alone = torch.cat([other.embed_texts([text]) for text in STRANGE])
    promise(torch.allclose(together, alone, atol=1e-5), "embed_texts: a vector depends on the other texts")


@torch.inference_mode()
def _check_prompts(backbone: Any) -> None:
    promise(backbone.embedding_scale > 0, "embedding_scale is a standard deviation")
    pieces = backbone.tokenizer.pieces([" The film was", " good", " good and long and good"])
    prompts = [[*backbone.tokenizer.opening("Yes or no?"), *piece] for piece in pieces]
    lengths, answers = torch.tensor([len(ids) for ids in prompts]), torch.tensor([prompts[0][-1], prompts[1][-1]])
    promise(int(lengths.max()) < backbone.context, "context is the longest prompt in tokens")
    tokens = torch.full((len(prompts), int(lengths.max()) + 3), prompts[0][-1])  # padding of a kind that would tell
    for row, ids in enumerate(prompts):
        tokens[row, : len(ids)] = torch.tensor(ids)
    embeddings = backbone.embed(tokens)
    promise(embeddings.shape == (*tokens.shape, backbone.width), "embed must be [B, L, D]")
    logits = backbone.next_logits(embeddings, lengths, answers)
    promise(logits.shape == (len(prompts), len(answers)), "next_logits must be [B, A]")
    for row, ids in enumerate(prompts):
        alone = backbone.next_logits(backbone.embed(torch.tensor([ids])), lengths[row : row + 1], answers)
        promise(torch.allclose(logits[row], alone[0], atol=1e-4), "answers depend on padding or on other rows")
    start = len(backbone.tokenizer.opening("Yes or no?"))
    if isinstance(backbone, BranchingBackbone):
        heads, branches = embeddings[:1, :start], embeddings[None, :, start:]
        shared = backbone.branch_logits(heads, torch.tensor([start]), branches, (lengths - start)[None], answers)
        promise(shared.shape == (1, *logits.shape), "branch_logits must be [B, C, A]")
        promise(torch.allclose(shared[0], logits, atol=1e-4), "branch_logits must answer as next_logits")
