"""Families of language models whose insides are known here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from sasrec_llm.errors import ModelError

if TYPE_CHECKING:
    from sasrec_llm.backbones.llama import LlamaBackbone

TESTED = ("llama", "mistral", "qwen2", "qwen3", "smollm3")  # any other family is asked a question when it is loaded


def is_tested(config: Any) -> bool:
    return config.model_type in TESTED


def can_branch(config: Any) -> bool:
    """Whether a token's position is all that its place in a batch tells the model: not of a tested family whose rotary
    frequencies change with the longest prompt around."""
    rope = getattr(config, "rope_parameters", None) or {}
    return is_tested(config) and rope.get("rope_type", "default") not in ("dynamic", "longrope")


@torch.no_grad()
def check_answers(backbone: LlamaBackbone, config: Any) -> None:
    """Some families scale or bend their logits after the output matrix, which reading a few of its rows leaves out."""
    if is_tested(config):
        return
    tokens = torch.tensor([backbone.tokenizer.opening("Yes or no?")], device=next(backbone.parameters()).device)
    answers = torch.arange(16, device=tokens.device)
    whole = backbone.model(input_ids=tokens, use_cache=False).logits[:, -1, :16].float()
    found = backbone.next_logits(backbone.embed(tokens), torch.tensor([tokens.shape[1]], device=tokens.device), answers)
    if not torch.allclose(found, whole, rtol=0.05, atol=0.05 * float(whole.std())):
        raise ModelError(
            f"models of the family {config.model_type!r} change their logits after the output matrix, which is not "
            "read here",
            hint=f"Take a model of one of these families: {', '.join(TESTED)}",
        )
