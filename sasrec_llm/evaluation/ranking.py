"""Task `next-item`: where the item that came next stands among all items that the user had not had.

rank = 1 + |{j : s_j > s_target}| + |{j ≠ target : s_j = s_target}| / 2: ties by mid-rank, so that a constant score
finds nothing. Candidates are the whole catalogue without the user's history; nothing is sampled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sasrec_llm.data.interactions import Interactions, Ints
from sasrec_llm.devices import Device
from sasrec_llm.errors import NonFiniteError
from sasrec_llm.evaluation.ranks import rank_list, rank_products, rank_scores
from sasrec_llm.evaluation.statistics import statistic, value
from sasrec_llm.interfaces import Factored, Lister, Metric, Ranked, Ranker, Recommender, Statistic
from sasrec_llm.strategies.ranking import every_score

KEPT = 20  # items of a recommendation that are kept, at least
SCORED = 2**22  # scores that are held at a time, 16 megabytes


@dataclass(frozen=True, slots=True)
class Ranking:
    """Answers to rows: the target's rank, and what stood first."""

    ranks: NDArray[np.float64]  # [rows]; infinite where the target was not a candidate or not in the list
    top: Ints  # [rows, K]

    def __getitem__(self, mask: NDArray[Any]) -> Ranking:
        return Ranking(self.ranks[mask], self.top[mask])


class NextItemTask:
    """What comes next? An answer is a rank and a list for each row."""

    def __init__(self, data: Interactions, metrics: Mapping[str, Metric], kept: int = KEPT) -> None:
        self.data = data
        self.metrics = metrics
        self.kept = min(max(kept, KEPT), data.n_items)
        self._popularity = data.popularity()

    def batches(self, recommender: Recommender, rows: Ints, batch_size: int) -> list[Ints]:
        """Rows of like history, for little padding; no more scores at a time than fit."""
        if not self._fits(batch_size) and not isinstance(recommender, Factored):
            batch_size = max(SCORED // self.data.n_items, 1)
        by_length = np.argsort(self.data.end[rows] - self.data.start[rows], kind="stable")
        return [by_length[start : start + batch_size] for start in range(0, len(rows), batch_size)]

    @torch.inference_mode()
    def answer(
        self, recommender: Recommender, rows: Ints, *, history_length: int, device: Device, batch_size: int, who: str
    ) -> Ranking:
        data = self.data
        histories = data.histories(rows, history_length).to(device.name)
        seen = data.seen(rows).to(device.name)
        targets = torch.from_numpy(data.rows.items[rows]).to(device.name)
        with device.precision():
            if isinstance(recommender, Factored) and not self._fits(batch_size):
                users, items = (finite(side.float(), who) for side in recommender.factors(histories))
                ranks, top = rank_products(users, items, seen, targets, self.kept)
            elif isinstance(recommender, Ranker) or not isinstance(recommender, Lister):
                scores = every_score(recommender, histories, data.n_items).float()
                finite(scores[:, 1:], who)
                ranks, top = rank_scores(scores, seen, targets, self.kept)
            else:
                ranks, top = rank_list(recommender.rank(histories, self.kept, seen), targets)
        return Ranking(ranks.cpu().numpy(), top.cpu().numpy())

    def joined(self, parts: Sequence[Ranking], batches: Sequence[Ints]) -> Ranking:
        n_rows = sum(map(len, batches))
        ranks, top = np.empty(n_rows), np.zeros((n_rows, self.kept), np.int64)
        for part, batch in zip(parts, batches, strict=True):
            ranks[batch], top[batch] = part.ranks, part.top
        return Ranking(ranks, top)

    def _fits(self, batch_size: int) -> bool:
        return batch_size * self.data.n_items <= SCORED

    def constant(self, answers: Ranking, rows: Ints) -> bool:
        """Every target in the middle of its candidates."""
        seen = np.sort(self.data.seen(rows).numpy(), axis=1)
        n_seen = ((seen > 0) & (np.diff(seen, axis=1, prepend=0) > 0)).sum(axis=1)
        known = np.isfinite(answers.ranks)
        middle = (self.data.n_items - n_seen + 1) / 2
        return int(known.sum()) > 1 and bool((answers.ranks == middle)[known].all())

    def calibrated(self, answers: Ranking, on: Ranking, rows: Ints) -> Ranking:
        """A rank has no probability to be honest about."""
        return answers

    def statistics(self, answers: Ranking, rows: Ints) -> dict[str, Statistic]:
        ranked = Ranked(
            self.data.rows.users[rows], self.data.rows.items[rows], answers.ranks, answers.top, self._popularity
        )
        return {name: statistic(measure, ranked) for name, measure in self.metrics.items()}

    def figures(self, answers: Ranking, rows: Ints) -> dict[str, float]:
        return {name: value(found) for name, found in self.statistics(answers, rows).items()}

    def counts(self, rows: Ints) -> dict[str, int]:
        """Rows whose target the user had had before: it is no candidate, so they are misses for every system."""
        data = self.data
        return {"repeats": int((data.seen(rows).numpy() == data.rows.items[rows][:, None]).any(axis=1).sum())}

    def distribution(self, answers: Ranking, rows: Ints) -> dict[str, list[int]]:
        """How many rows have their target in which place, up to the last that is kept."""
        places = np.arange(1, self.kept + 2) - 0.25
        return {"rank": np.histogram(answers.ranks[np.isfinite(answers.ranks)], places)[0].tolist()}

    def columns(self, answers: Ranking, rows: Ints) -> dict[str, NDArray[Any]]:
        top = self.data.item_ids[answers.top]
        return {"rank": answers.ranks} | {f"top_{place + 1}": top[:, place] for place in range(top.shape[1])}

    def from_columns(self, columns: Mapping[str, NDArray[Any]]) -> Ranking:
        places = [name for name in columns if name.startswith("top_")]
        top = np.stack([columns[f"top_{place + 1}"] for place in range(len(places))], axis=1)
        return Ranking(columns["rank"], np.searchsorted(self.data.item_ids, top))


def finite(numbers: Tensor, who: str) -> Tensor:
    if not torch.isfinite(numbers.sum()):  # the sum of what is finite is, too
        bad = ~torch.isfinite(numbers)
        raise NonFiniteError(f"{who} gave {int(bad.sum()):,} of {bad.numel():,} numbers that are not finite")
    return numbers
