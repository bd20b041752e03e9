"""Families of language models whose insides are known here."""

from __future__ import annotations

from typing import Any

TESTED = ("llama", "mistral", "qwen2", "qwen3", "smollm3")  # any other family is asked a question when it is loaded


def is_tested(config: Any) -> bool:
    return config.model_type in TESTED


def can_branch(config: Any) -> bool:
    """Whether a token's position is all that its place in a batch tells the model: not of a tested family whose rotary
    frequencies change with the longest prompt around."""
    rope = getattr(config, "rope_parameters", None) or {}
    return is_tested(config) and rope.get("rope_type", "default") not in ("dynamic", "longrope")
