"""Subsets of the evaluated rows, by what train knows of their user and item.

Two definitions of warm and cold are published and in use, and give very different rows, so each has its own name.
Counts are of train rows, likes and dislikes alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sasrec_llm.data.interactions import Interactions, Ints

MEANING: dict[str, str] = {
    "all": "every row",
    "warm": "more than 3 train rows of the user and of the item (CoLLM's code)",
    "warm-3": "at least 3 train rows of the user and of the item (CoLLM's paper)",
    "not-warm": "the rows that are not in warm",
    "seen": "user and item both have a train row",
    "cold": "user or item has no train row (what CoLLM's loader calls cold)",
    "both-new": "neither user nor item has a train row",
    "known-users": "the user has a train row",
    "new-users": "the user has no train row",
    "known-items": "the item has a train row",
    "new-items": "the item has no train row",
    "head-items": "the item is among the most frequent ones that together have a third of the train rows",
    "mid-items": "the item is among the next ones that together have a third of the train rows",
    "tail-items": "the item is among the rest, those without a train row included",
    "history-0": "nothing the user liked is known",
    "history-1-9": "1 to 9 liked items are known",
    "history-10-49": "10 to 49 liked items are known",
    "history-50+": "50 liked items or more are known",
}


def subset(name: str, data: Interactions, rows: Ints) -> NDArray[np.bool_]:
    """Which of `rows` belong to the subset."""
    train = data.of("train")
    of_user = np.bincount(data.rows.users[train], minlength=data.n_users + 1)[data.rows.users[rows]]
    of_items = np.bincount(data.rows.items[train], minlength=data.n_items + 1)
    of_item = of_items[data.rows.items[rows]]
    third = thirds(of_items)[data.rows.items[rows]]
    known = data.end[rows] - data.start[rows]
    masks: dict[str, NDArray[np.bool_]] = {
        "all": of_user >= 0,
        "warm": (of_user > 3) & (of_item > 3),
        "warm-3": (of_user >= 3) & (of_item >= 3),
        "not-warm": (of_user <= 3) | (of_item <= 3),
        "seen": (of_user > 0) & (of_item > 0),
        "cold": (of_user == 0) | (of_item == 0),
        "both-new": (of_user == 0) & (of_item == 0),
        "known-users": of_user > 0,
        "new-users": of_user == 0,
        "known-items": of_item > 0,
        "new-items": of_item == 0,
        "head-items": third == 0,
        "mid-items": third == 1,
        "tail-items": third == 2,
        "history-0": known == 0,
        "history-1-9": (known >= 1) & (known <= 9),
        "history-10-49": (known >= 10) & (known <= 49),
        "history-50+": known >= 50,
    }
    return masks[name]


def thirds(counts: Ints) -> Ints:
    """Train rows of each item -> 0 head, 1 middle, 2 tail, by what share of all rows more frequent items have."""
    levels, place = np.unique(counts, return_inverse=True)
    rows = levels * np.bincount(place)  # of all items of that count
    before = rows.sum() - np.cumsum(rows)
    return np.asarray(np.minimum(3 * before // max(int(rows.sum()), 1), 2)[place])
