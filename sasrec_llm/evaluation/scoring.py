"""Task `like`: rows to logits, all of them, once each, in evaluation mode, in the order they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sasrec_llm.data.interactions import Interactions, Ints
from sasrec_llm.devices import Device
from sasrec_llm.errors import NonFiniteError
from sasrec_llm.evaluation.calibration import calibrate
from sasrec_llm.evaluation.metrics import uauc_users
from sasrec_llm.evaluation.statistics import statistic, value
from sasrec_llm.interfaces import Metric, Rater, Recommender, Scored, Statistic
from sasrec_llm.recipe import Calibration

Logits = NDArray[np.float64]
OF_PROBABILITIES = ("logloss", "brier", "ece")  # metrics that calibration changes and order does not


@dataclass(frozen=True, slots=True)
class Answers:
    """Of each row: the logit of a like, and, of a model that answers in ratings, what it expects and says."""

    logits: Logits
    expected: Logits | None = None
    said: Logits | None = None
    calibrated: Logits | None = None  # logits

    def __getitem__(self, mask: NDArray[Any]) -> Answers:
        parts = (self.logits, self.expected, self.said, self.calibrated)
        return Answers(*(None if part is None else part[mask] for part in parts))  # type: ignore[arg-type]


class LikeTask:
    """Will the user like it?"""

    def __init__(self, data: Interactions, metrics: Mapping[str, Metric], calibration: Calibration = "platt") -> None:
        self.data = data
        self.metrics = metrics
        self.calibration = calibration

    def batches(self, recommender: Recommender, rows: Ints, batch_size: int) -> list[Ints]:
        return [np.arange(start, min(start + batch_size, len(rows))) for start in range(0, len(rows), batch_size)]

    @torch.inference_mode()
    def answer(
        self, recommender: Recommender, rows: Ints, *, history_length: int, device: Device, batch_size: int, who: str
    ) -> Answers:
        batch = self.data.examples(rows, history_length).to(device.name)
        expected, said = None, None
        with device.precision():
            logits = recommender.score(batch.histories, batch.targets)[:, 0].double().cpu().numpy()
            if isinstance(recommender, Rater) and len(recommender.ratings) > 0:
                share = recommender.rate(batch.histories, batch.targets)[:, 0].float().exp()
                ratings = torch.tensor(recommender.ratings, device=share.device)
                expected = (share @ ratings).double().cpu().numpy()
                said = ratings[share.argmax(1)].double().cpu().numpy()
        bad = int((~np.isfinite(logits)).sum())
        if bad:
            raise NonFiniteError(f"{who} gave {bad:,} of {len(rows):,} rows a score that is not finite")
        return Answers(logits, expected, said)

    def joined(self, parts: Sequence[Answers], batches: Sequence[Ints]) -> Answers:
        logits = np.concatenate([np.empty(0), *(part.logits for part in parts)])
        expected = [part.expected for part in parts if part.expected is not None]
        said = [part.said for part in parts if part.said is not None]
        return Answers(logits, np.concatenate(expected) if expected else None, np.concatenate(said) if said else None)

    def constant(self, answers: Answers, rows: Ints) -> bool:
        return len(rows) > 1 and bool(np.ptp(answers.logits) == 0.0)

    def calibrated(self, answers: Answers, on: Answers, rows: Ints) -> Answers:
        """The answers with logits fitted to the labels of other rows and the answers to those."""
        fitted = calibrate(self.calibration, answers.logits, on=on.logits, labels=self.data.rows.labels[rows])
        return replace(answers, calibrated=fitted)

    def statistics(self, answers: Answers, rows: Ints) -> dict[str, Statistic]:
        scored = self._scored(answers, rows)
        found = {name: statistic(measure, scored) for name, measure in self.metrics.items()}
        if answers.calibrated is not None:
            scored = replace(scored, probabilities=probability(answers.calibrated))
            for name in OF_PROBABILITIES:
                if name in self.metrics:
                    found[f"{name} ({self.calibration})"] = statistic(self.metrics[name], scored)
        return found

    def figures(self, answers: Answers, rows: Ints) -> dict[str, float]:
        return {name: value(found) for name, found in self.statistics(answers, rows).items()}

    def _scored(self, answers: Answers, rows: Ints) -> Scored:
        known = self.data.take(rows)
        return Scored(
            known.users, known.labels, probability(answers.logits), known.ratings, answers.expected, answers.said
        )

    def counts(self, rows: Ints) -> dict[str, int]:
        users = self.data.rows.users[rows]
        return {"uauc_users": uauc_users(Scored(users, self.data.rows.labels[rows], np.zeros(len(rows))))}

    def distribution(self, answers: Answers, rows: Ints) -> dict[str, list[int]]:
        """How many likes and dislikes were given a probability in each tenth."""
        labels, tenths = self.data.rows.labels[rows], np.linspace(0, 1, 11)
        share = probability(answers.logits)
        return {
            name: np.histogram(share[labels == label], tenths)[0].tolist()
            for name, label in (("like", 1), ("dislike", 0))
        }

    def columns(self, answers: Answers, rows: Ints) -> dict[str, NDArray[Any]]:
        unknown = np.full(len(rows), np.nan)
        return {
            "label": self.data.rows.labels[rows],
            "logit": answers.logits,
            "probability": probability(answers.logits),
            "expected": unknown if answers.expected is None else answers.expected,
            "said": unknown if answers.said is None else answers.said,
            "calibrated": unknown if answers.calibrated is None else probability(answers.calibrated),
        }

    def from_columns(self, columns: Mapping[str, NDArray[Any]]) -> Answers:
        expected, said = (None if np.isnan(columns[name]).any() else columns[name] for name in ("expected", "said"))
        return Answers(columns["logit"], expected, said)


def probability(logits: Logits) -> Logits:
    """1 / (1 + exp(-x)), without overflow."""
    return np.exp(-np.logaddexp(0.0, -logits))
