"""A finished run, loaded: who is asked about, what is recommended to them, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sasrec_llm.answering.catalogue import Catalogue
from sasrec_llm.answering.explain import Explainer, Reason
from sasrec_llm.answering.index import Index
from sasrec_llm.answering.questions import Question, histories, padded
from sasrec_llm.answering.ranker import ranker, scorer
from sasrec_llm.components import Task
from sasrec_llm.data.interactions import Interactions
from sasrec_llm.data.names import Names
from sasrec_llm.devices import Device
from sasrec_llm.errors import RunError, UsageError
from sasrec_llm.interfaces import Factored, Rater, Strategy, TrainingData
from sasrec_llm.strategies.ranking import best

MOST = 1000  # items of a recommendation


def check_count(k: int) -> None:
    if not 1 <= k <= MOST:
        raise UsageError(f"between 1 and {MOST:,} items can be asked for, not {k:,}")


@dataclass(frozen=True, slots=True)
class Recommendation:
    """An item for somebody."""

    item: str  # id in the person's own files
    title: str
    score: float
    probability: float | None  # of liking it, where the system was asked for that
    reason: Reason | None = None


class LoadedRun:
    """A finished run or an export of one."""

    def __init__(
        self,
        *,
        name: str,
        folder: Path,
        data: Interactions,
        training: TrainingData,
        names: Names,
        strategy: Strategy,
        objective: str,
        device: Device,
        now: int,
        candidates: int,
        batch_size: int,
    ) -> None:
        """`now`: the moment of asking, seconds. `candidates`: items that a language model is asked about one by one."""
        self.name = name
        self.folder = folder
        self.catalogue = Catalogue(ids=names.items, titles=names.titles, likes=training.popularity)
        self.now = now
        self._data, self._users = data, names.users
        self._strategy = strategy
        self._device, self._batch_size = device, batch_size
        self.recommender = ranker(strategy, objective, training, data.n_items, candidates)
        self._explainer = Explainer(strategy, self.recommender, self.catalogue)
        self.index: Index | None = None  # what is searched in place of all items
        self._likely = data.task == "like" or isinstance(scorer(self.recommender), Rater)

    @property
    def task(self) -> Task:
        return self._data.task

    @property
    def has_histories(self) -> bool:
        """Whether it knows what the users of its data liked; an export need not."""
        return len(self._data.rows.users) > 0

    @property
    def users(self) -> Sequence[str]:
        """Ids, of user 1 first."""
        return self._users

    def knows(self, user: str) -> bool:
        return user in self._number_of

    def question(self, user: str | None = None, history: Sequence[str] = ()) -> Question:
        """About a user of the data, by id, or somebody new; with what they say they liked, by title or id, behind what
        the data knows."""
        number = self._number_of.get(user, 0) if user is not None else 0
        rows = self._data.rows
        own = slice(*np.searchsorted(rows.users, [number, number + 1]))  # none of somebody new
        liked = rows.labels[own] == 1
        named = [self.catalogue.match(text) for text in history]
        items = (*rows.items[own][liked].tolist(), *named)
        times = (*rows.times[own][liked].tolist(), *(self.now for _ in named))
        return Question(number, items, times, frozenset({*items, *rows.items[own].tolist()}))

    def recommend(
        self, *, user: str | None = None, history: Sequence[str] = (), k: int = 10, explain: bool = False
    ) -> list[Recommendation]:
        """The best k items for one person, best first."""
        question = self.question(user, history)
        (found,) = self.answer([question], k, explain=explain)
        return found

    def answer(
        self, questions: Sequence[Question], k: int = 10, *, explain: bool = False
    ) -> list[list[Recommendation]]:
        """The best k items for each, best first; fewer where fewer are left."""
        check_count(k)
        found: list[list[Recommendation]] = []
        for start in range(0, len(questions), self._batch_size):
            found += self._answer(questions[start : start + self._batch_size], k, explain)
        return found

    def score(self, questions: Sequence[Question], items: Sequence[Sequence[int]]) -> list[list[float]]:
        """Of each person, the score of each of the items asked about."""
        width = max(map(len, items), default=0)
        if not width:
            return [[] for _ in questions]
        found: list[list[float]] = []
        for start in range(0, len(questions), self._batch_size):
            part = items[start : start + self._batch_size]
            scores = self._scores(questions[start : start + self._batch_size], padded(part, width)).tolist()
            found += [row[width - len(asked) :] for row, asked in zip(scores, part, strict=True)]
        return found

    def probability(self, score: float) -> float | None:
        """Of liking an item of that score, where the system was asked for that."""
        return (1 + math.tanh(score / 2)) / 2 if self._likely else None  # the sigmoid

    def rank(self, questions: Sequence[Question], k: int) -> tuple[Tensor, Tensor]:
        """Numbers of the best items, best first, 0 where there are fewer, and their scores: [B, k] each."""
        seen = padded([sorted(question.seen) for question in questions], max(len(q.seen) for q in questions))
        seen = seen.to(self._device.name)
        with torch.inference_mode(), self._device.precision():
            asked = histories(questions, self._strategy.history_length, self.now).to(self._device.name)
            if self.index and isinstance(self.recommender, Factored):
                return self.index.best(self.recommender, asked, k, seen)
            return best(self.recommender, asked, k, seen, self._data.n_items)

    def item_vectors(self) -> Tensor:
        """Those whose product with a user's is the score, from item 1 on: [N, H] float32, on the CPU."""
        if not isinstance(self.recommender, Factored):
            raise RunError(
                f"an index needs scores that are products of two vectors; those of {self.name} are not",
                hint="Export it without --index",
            )
        nobody = histories([Question()], self._strategy.history_length, self.now).to(self._device.name)
        with torch.inference_mode():
            return self.recommender.factors(nobody)[1][1:].detach().float().cpu().contiguous()

    def _answer(self, questions: Sequence[Question], k: int, explain: bool) -> list[list[Recommendation]]:
        found, scores = self.rank(questions, k)
        return [
            self._named(question, [pair for pair in zip(items, row, strict=True) if pair[0]], explain)
            for question, items, row in zip(questions, found.tolist(), scores.tolist(), strict=True)
        ]

    def _named(self, question: Question, found: Sequence[tuple[int, float]], explain: bool) -> list[Recommendation]:
        """Items with their scores, as people know them."""
        why = self._reasons(question, [item for item, _ in found]) if explain else [None] * len(found)
        names = self.catalogue
        return [
            Recommendation(names.id_of(item), names.title_of(item), score, self.probability(score), reason)
            for (item, score), reason in zip(found, why, strict=True)
        ]

    def _scores(self, questions: Sequence[Question], items: Tensor) -> Tensor:
        """[B, C] -> [B, C] float32, on the CPU."""
        with torch.inference_mode(), self._device.precision():
            asked = histories(questions, self._strategy.history_length, self.now).to(self._device.name)
            return self.recommender.score(asked, items.to(self._device.name)).float().cpu()

    def _reasons(self, question: Question, items: Sequence[int]) -> Sequence[Reason]:
        with torch.inference_mode(), self._device.precision():
            asked = histories([question], self._strategy.history_length, self.now).to(self._device.name)
            return self._explainer.reasons(asked, question.items, items)

    @cached_property
    def _number_of(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self._users, start=1)}
