"""Asks recommenders every row of a split, once each, and notes what that costs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from sasrec_llm import processes
from sasrec_llm.data.interactions import Ints
from sasrec_llm.devices import Device
from sasrec_llm.evaluation.task import Answers, Task
from sasrec_llm.interfaces import Recommender

EVALUATED = ("valid", "test")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a system took."""

    pairs_per_second: float | None  # (user, item) pairs scored, encoding included
    peak_memory_mb: float | None  # of the process, or of the GPU, up to then
    seconds: float = 0.0  # of training, its validation included
    trained_parameters: int = 0

    def dump(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class Examiner:
    task: Task
    device: Device
    batch_size: int
    splits: tuple[str, ...] = EVALUATED  # those that may be answered for
    asked: Literal["each", "all", "alone"] = "each"  # of several processes: for a share of the rows, or for all
    costs: dict[str, Cost] = field(default_factory=dict)  # by who was asked

    def answers(self, recommender: Recommender, who: str, history_length: int) -> dict[str, Answers]:
        """split -> answers to all of its rows."""
        started = time.monotonic()
        rows = {split: self.task.data.of(split) for split in self.splits}
        found = {split: self.answer(recommender, asked, who, history_length) for split, asked in rows.items()}
        pairs = sum(map(len, rows.values())) * (1 if self.task.data.task == "like" else self.task.data.n_items)
        self.costs[who] = Cost(pairs / max(time.monotonic() - started, 1e-9), self.device.peak_memory_mb())
        return found

    def drawn(self, split: str, most: int | None, seed: int) -> Ints:
        """Rows of a split: all, or so many of them, drawn once."""
        rows = self.task.data.of(split)
        if most is None or most >= len(rows):
            return rows
        return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))

    def figures(self, recommender: Recommender, rows: Ints, who: str, history_length: int) -> dict[str, float]:
        return self.task.figures(self.answer(recommender, rows, who, history_length), rows)

    def exam(self, recommender: Recommender, rows: Ints, who: str, history_length: int) -> Exam:
        batches = self.task.batches(recommender, rows, self.batch_size)
        return Exam(self, recommender, rows, who, history_length, batches)

    def answer(self, recommender: Recommender, rows: Ints, who: str, history_length: int) -> Answers:
        return self.ask(self.exam(recommender, rows, who, history_length))

    def ask(self, exam: Exam) -> Answers:
        """Of several processes each answers for every so many-th batch, and is told what the others found; or all
        answer for every row, where none can alone, and what the first found holds."""
        rank, count = (processes.rank(), processes.count()) if self.asked == "each" else (0, 1)
        with processes.connected():  # to whom a share of the backbone is
            own = [exam.answer(number) for number in range(rank, len(exam.batches), count)]
        if self.asked == "all":
            own = processes.lead(lambda: own)
        found = processes.gather(own) if self.asked == "each" else [own]
        return exam.joined([found[number % count][number // count] for number in range(len(exam.batches))])


@dataclass(frozen=True, slots=True)
class Exam:
    """Rows to ask a recommender about, cut into batches that may be asked anywhere and in any order."""

    examiner: Examiner
    recommender: Recommender
    rows: Ints
    who: str
    history_length: int
    batches: list[Ints]  # places in `rows`

    def answer(self, number: int) -> Answers:
        """To one batch."""
        return self.examiner.task.answer(
            self.recommender,
            self.rows[self.batches[number]],
            history_length=self.history_length,
            device=self.examiner.device,
            batch_size=self.examiner.batch_size,
            who=self.who,
        )

    def joined(self, parts: Sequence[Answers]) -> Answers:
        """The answers to all batches as answers to all rows."""
        return self.examiner.task.joined(parts, self.batches)
