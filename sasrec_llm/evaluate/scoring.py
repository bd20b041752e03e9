"""Rows to logits: all of them, once each, in evaluation mode, in the order they stand."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from sasrec_llm.data.interactions import Interactions, Ints
from sasrec_llm.devices import Device
from sasrec_llm.errors import NonFiniteError
from sasrec_llm.interfaces import Recommender


@torch.inference_mode()
def score_rows(
    recommender: Recommender,
    data: Interactions,
    rows: Ints,
    *,
    history_length: int,
    device: Device,
    batch_size: int,
    who: str,
) -> NDArray[np.float64]:
    """Logits [rows]. A score that is not a number is an error: NaN would win every ranking."""
    found: list[NDArray[np.float64]] = []
    for start in range(0, len(rows), batch_size):
        batch = data.examples(rows[start : start + batch_size], history_length).to(device.name)
        with device.precision():
            answer = recommender.score(batch.histories, batch.targets)
        found.append(answer[:, 0].float().cpu().double().numpy())
    logits: NDArray[np.float64] = np.concatenate(found) if found else np.empty(0)
    bad = ~np.isfinite(logits)
    if bad.any():
        raise NonFiniteError(f"{who} gave {int(bad.sum()):,} of {len(rows):,} rows a score that is not finite")
    return logits


def probability(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)), without overflow."""
    return np.exp(-np.logaddexp(0.0, -logits))
