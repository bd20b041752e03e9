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
}


def subset(name: str, data: Interactions, rows: Ints) -> NDArray[np.bool_]:
    """Which of `rows` belong to the subset."""
    train = data.of("train")
    of_user = np.bincount(data.rows.users[train], minlength=data.n_users + 1)[data.rows.users[rows]]
    of_item = np.bincount(data.rows.items[train], minlength=data.n_items + 1)[data.rows.items[rows]]
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
    }
    return masks[name]
