"""Task `like`: rows to logits, all of them, once each, in evaluation mode, in the order they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sasrec_llm.data.interactions import Interactions, Ints
from sasrec_llm.devices import Device
from sasrec_llm.errors import NonFiniteError
from sasrec_llm.evaluate.metrics import uauc_users
from sasrec_llm.interfaces import Metric, Recommender, Scored

Logits = NDArray[np.float64]


class LikeTask:
    """Will the user like it? An answer is a logit for each row."""

    def __init__(self, data: Interactions, metrics: Mapping[str, Metric]) -> None:
        self.data = data
        self.metrics = metrics

    def answer(
        self, recommender: Recommender, rows: Ints, *, history_length: int, device: Device, batch_size: int, who: str
    ) -> Logits:
        return score_rows(
            recommender, self.data, rows, history_length=history_length, device=device, batch_size=batch_size, who=who
        )

    def figures(self, answers: Logits, rows: Ints) -> dict[str, float]:
        users, labels = self.data.rows.users[rows], self.data.rows.labels[rows]
        scored = Scored(users, labels, probability(answers))
        return {name: measure(scored) for name, measure in self.metrics.items()}

    def counts(self, rows: Ints) -> dict[str, int]:
        users = self.data.rows.users[rows]
        return {"uauc_users": uauc_users(Scored(users, self.data.rows.labels[rows], np.zeros(len(rows))))}

    def columns(self, answers: Logits, rows: Ints) -> dict[str, NDArray[Any]]:
        return {"label": self.data.rows.labels[rows], "logit": answers, "probability": probability(answers)}

    def from_columns(self, columns: Mapping[str, NDArray[Any]]) -> Logits:
        return columns["logit"]


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
) -> Logits:
    """Logits [rows]. A score that is not a number is an error: NaN would win every ranking."""
    found: list[Logits] = []
    for start in range(0, len(rows), batch_size):
        batch = data.examples(rows[start : start + batch_size], history_length).to(device.name)
        with device.precision():
            answer = recommender.score(batch.histories, batch.targets)
        found.append(answer[:, 0].float().cpu().double().numpy())
    logits: Logits = np.concatenate(found) if found else np.empty(0)
    bad = ~np.isfinite(logits)
    if bad.any():
        raise NonFiniteError(f"{who} gave {int(bad.sum()):,} of {len(rows):,} rows a score that is not finite")
    return logits


def probability(logits: Logits) -> Logits:
    """1 / (1 + exp(-x)), without overflow."""
    return np.exp(-np.logaddexp(0.0, -logits))
