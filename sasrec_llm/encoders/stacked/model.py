"""The floor `stacked`: boosted trees and a logistic regression over facts that did not know the answer."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sasrec_llm.components import BuildContext
from sasrec_llm.encoders.settings import StackedSettings
from sasrec_llm.encoders.stacked.content import categories, meanings, words, years
from sasrec_llm.encoders.stacked.features import Features
from sasrec_llm.encoders.stacked.items import ItemFacts
from sasrec_llm.encoders.stacked.users import notes_of_users, notes_without_the_visit
from sasrec_llm.encoders.tabular import HistogramBoosting, Logistic
from sasrec_llm.errors import DataError
from sasrec_llm.interfaces import Histories, Rows, TextEmbedder, TrainingData

BLOCK = 2048  # rows of features made at a time


class Stacked(nn.Module):
    """logit = (trees(x) + line(x)) / 2, where x are the features of a history and a candidate.

    To learn from a row, what is said of items comes from other users, and what is said of its user from other visits.
    """

    notes: Tensor

    def __init__(
        self,
        *,
        features: Features,
        data: TrainingData,
        n_users: int,
        n_items: int,
        settings: StackedSettings,
        seed: int,
    ) -> None:
        super().__init__()
        self.history_length = settings.max_length
        self.folds, self.neighbours = settings.folds, settings.neighbours
        self.max_rows, self.evenness = settings.max_rows, settings.evenness
        self.seed, self.data = seed, data
        self.n_users, self.n_items = n_users, n_items
        self.features = features
        self.facts = self._new_facts()
        self.trees = HistogramBoosting(trees=settings.trees, leaves=settings.leaves, min_rows=40)
        self.line = Logistic(width=features.width, inverse_l2=0.01)
        width = 2 + features.content.shape[1]
        self.register_buffer("notes", torch.zeros(n_users + 1, width, dtype=torch.float64))

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        known = histories.cut(self.history_length).to("cpu")
        inputs = self.features(known, candidates.cpu(), self.notes[known.users].numpy(), self.facts)
        return ((self.trees(inputs) + self.line(inputs)) / 2).to(candidates.device)  # type: ignore[no-any-return]

    def fit(self, rows: Rows) -> None:
        if len(np.unique(rows.labels)) < 2:
            raise DataError("stacked needs likes and dislikes in train; there is only one of the two")
        chosen = np.arange(len(rows.users))
        if len(chosen) > self.max_rows:
            chosen = np.sort(np.random.default_rng(self.seed).choice(chosen, self.max_rows, replace=False))
        inputs = self.inputs(rows, chosen).astype(np.float64)
        labels, users = rows.labels[chosen].astype(np.float64), rows.users[chosen]
        counts = 1 / np.bincount(users)[users] ** self.evenness
        counts /= counts.mean()
        self.trees.fit(inputs, labels, self.seed, counts)
        self.line.fit(inputs, labels, self.seed, counts)
        self.facts.fit(rows)
        notes = notes_of_users(rows, self.facts.array("appeal"), self.features.tastes(), self.n_users)
        self.notes.copy_(torch.from_numpy(notes))

    def inputs(self, rows: Rows, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        """The features of the chosen train rows, none of which knows its row's label -> [n, F]."""
        fold = np.random.default_rng(self.seed).permutation(self.n_users + 1)[rows.users] % self.folds
        found = np.empty((len(chosen), self.features.width), dtype=np.float32)
        for number in np.unique(fold[chosen]):
            mine = np.flatnonzero(fold == number)
            facts = self._new_facts()
            facts.fit(_take(rows, np.flatnonzero(fold != number)))
            notes = notes_without_the_visit(_take(rows, mine), facts.array("appeal"), self.features.tastes())
            asked = np.flatnonzero(fold[chosen] == number)
            for some in np.array_split(asked, -(-len(asked) // BLOCK)):
                batch = self.data.examples("train", chosen[some], self.history_length)
                known = notes[np.searchsorted(mine, chosen[some])]
                found[some] = self.features(batch.histories, batch.targets, known, facts)[:, 0].numpy()
        return found

    def _apply(self, *_: Any, **__: Any) -> Self:
        """It stays where it is, on the CPU and in double precision, whatever the device of the run."""
        return self

    def _new_facts(self) -> ItemFacts:
        return ItemFacts(n_users=self.n_users, n_items=self.n_items, neighbours=self.neighbours)


def _take(rows: Rows, index: NDArray[np.int64]) -> Rows:
    return Rows(rows.users[index], rows.items[index], rows.labels[index], rows.times[index])


def build(settings: StackedSettings, context: BuildContext) -> Stacked:
    if context.data is None:
        raise ValueError("stacked is fitted on data")
    texts, reader = context.item_texts, context.backbone
    text = meanings(reader.embed_texts(texts)) if isinstance(reader, TextEmbedder) else words(texts)
    lists = context.item_categories or ("",) * context.n_items
    return Stacked(
        features=Features(year=years(texts), categories=categories(lists), text=text, tempo=settings.tempo),
        data=context.data,
        n_users=context.n_users,
        n_items=context.n_items,
        settings=settings,
        seed=context.seed,
    )
