"""What the systems answered to the test rows, row by row, from predictions.parquet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_llm.data.database import connect
from sasrec_llm.data.interactions import Interactions, Ints
from sasrec_llm.report.records import Popularity, Reliability

BINS = 15
TENTHS = 10
SHOWN = 10  # items of a list that count as recommended


@dataclass(frozen=True, slots=True)
class Predictions:
    """One system's answers to all test rows, in their order. Ids are those of the prepared dataset."""

    users: Ints
    items: Ints
    columns: dict[str, NDArray[Any]]

    @property
    def top(self) -> Ints:
        """[rows, K] recommended items, the first place first; 0 where a list ends early."""
        places = sum(name.startswith("top_") for name in self.columns)
        return np.stack([self.columns[f"top_{place + 1}"] for place in range(places)], axis=1)

    def fits(self, data: Interactions) -> bool:
        """Whether these are answers to the test rows of `data`."""
        return np.array_equal(self.items, data.item_ids[data.rows.items[data.of("test")]])


def read_predictions(path: Path, system: str) -> Predictions | None:
    if not path.is_file():
        return None
    with connect() as connection:
        found = connection.execute(
            "SELECT * EXCLUDE (system, split) FROM read_parquet(?) WHERE system = ? AND split = 'test' ORDER BY row",
            [str(path), system],
        ).fetchnumpy()
    columns = {name: np.ma.getdata(values) for name, values in found.items()}
    if not len(columns.pop("row")):
        return None
    return Predictions(columns.pop("user"), columns.pop("item"), columns)


def reliability(labels: Ints, probabilities: NDArray[np.float64]) -> Reliability:
    """Rows sorted by probability, cut into bins of equal size; equal probabilities stay together."""
    order = np.argsort(probabilities, kind="stable")
    said, happened = probabilities[order], labels[order]
    edges = np.searchsorted(said, said[np.linspace(0, len(said) - 1, BINS + 1).astype(int)[1:-1]], side="right")
    bins = np.repeat(np.arange(BINS), np.diff([0, *edges, len(said)]))
    rows = np.bincount(bins, minlength=BINS)
    kept = rows > 0
    means = [np.bincount(bins, weights=values, minlength=BINS)[kept] / rows[kept] for values in (said, happened)]
    return Reliability(means[0].tolist(), means[1].tolist(), rows[kept].tolist())


def popularity(data: Interactions, answers: dict[str, Predictions]) -> Popularity:
    """How popular in train are the items that were recommended, beside those that were liked in test.

    A list's first ten items are recommended; of answers about likes, as many rows as there are likes, the highest.
    """
    likes = data.popularity()[1:]
    tenth = tenths(likes)
    test = data.of("test")
    liked = data.rows.items[test][data.rows.labels[test] == 1]

    def shares(items: Ints) -> list[float]:
        counts = np.bincount(tenth[items - 1], minlength=TENTHS + 1)
        return [count / max(len(items), 1) for count in counts.tolist()]

    recommended = {}
    for name, found in answers.items():
        if data.task == "like":
            best = np.argsort(-found.columns["probability"], kind="stable")[: len(liked)]
            items = found.items[best]
        else:
            items = found.top[:, :SHOWN].ravel()
        recommended[name] = shares(np.searchsorted(data.item_ids, items[items != 0]))
    return Popularity(np.bincount(tenth, minlength=TENTHS + 1).tolist(), shares(liked), recommended)


def tenths(likes: Ints) -> Ints:
    """0 for the most popular items that together have a tenth of all likes, and so on; the last for items without."""
    order = np.argsort(-likes, kind="stable")
    before = np.cumsum(likes[order]) - likes[order]
    found = np.empty(len(likes), np.int64)
    found[order] = np.minimum(before * TENTHS // max(int(likes.sum()), 1), TENTHS - 1)
    return np.where(likes > 0, found, TENTHS)
