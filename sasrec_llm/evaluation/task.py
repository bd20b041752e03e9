"""What evaluation asks of a recommender, for either task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from sasrec_llm.data.interactions import Interactions, Ints
from sasrec_llm.devices import Device
from sasrec_llm.evaluation.ranking import NextItemTask
from sasrec_llm.evaluation.scoring import LikeTask
from sasrec_llm.interfaces import Metric, Recommender, Statistic
from sasrec_llm.recipe import Calibration

Answers = Any  # what a task's `answer` returns; indexed by rows like an array


class Task(Protocol):
    """What is asked of a recommender about each row, and what the answers are worth."""

    data: Interactions
    metrics: Mapping[str, Metric]

    def batches(self, recommender: Recommender, rows: Ints, batch_size: int) -> list[Ints]:
        """Which of the rows, by their place among them, are asked about at a time."""
        ...

    def answer(
        self, recommender: Recommender, rows: Ints, *, history_length: int, device: Device, batch_size: int, who: str
    ) -> Answers:
        """To one batch of rows. A score that is not a number is an error: NaN would win every ranking."""
        ...

    def joined(self, parts: Sequence[Answers], batches: Sequence[Ints]) -> Answers:
        """The answers to batches as answers to all rows."""
        ...

    def statistics(self, answers: Answers, rows: Ints) -> dict[str, Statistic]: ...

    def figures(self, answers: Answers, rows: Ints) -> dict[str, float]:
        """The statistics as they are, each user once."""
        ...

    def constant(self, answers: Answers, rows: Ints) -> bool:
        """Whether all questions were answered alike."""
        ...

    def calibrated(self, answers: Answers, on: Answers, rows: Ints) -> Answers:
        """The answers with probabilities made honest on other rows and the answers to those."""
        ...

    def counts(self, rows: Ints) -> dict[str, int]:
        """What a reader must know of the rows beside how many they are."""
        ...

    def distribution(self, answers: Answers, rows: Ints) -> dict[str, list[int]]:
        """The answers as counts, for a histogram."""
        ...

    def columns(self, answers: Answers, rows: Ints) -> dict[str, NDArray[Any]]:
        """The answers as columns of a table."""
        ...

    def from_columns(self, columns: Mapping[str, NDArray[Any]]) -> Answers: ...


def make_task(data: Interactions, metrics: Mapping[str, Metric], kept: int, calibration: Calibration) -> Task:
    """`kept`: the longest list that a metric looks at."""
    return LikeTask(data, metrics, calibration) if data.task == "like" else NextItemTask(data, metrics, kept)
