"""Learning rate by step: a straight line up, then a cosine down. Steps count over the whole stage."""

from __future__ import annotations

import math

from sasrec_llm.recipe import Stage


def scale(stage: Stage, peak: float, step: int, total: int) -> float:
    """The learning rate of `step` (from 0) of `total`, for a part whose peak is `peak`."""
    warmup = min(stage.warmup_steps, total)
    if step < warmup:
        return stage.warmup_lr + (peak - stage.warmup_lr) * step / warmup
    low = min(stage.min_lr, peak)
    progress = (step - warmup) / max(total - warmup, 1)
    return low + (peak - low) * 0.5 * (1 + math.cos(math.pi * progress))
