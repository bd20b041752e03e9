"""Five users: what was known of them, what the system said, and what happened."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sasrec_llm.data.interactions import Interactions, Ints
from sasrec_llm.report.predictions import SHOWN, Predictions
from sasrec_llm.report.records import Example, Shown
from sasrec_llm.report.tables import number

USERS = 5
KNOWN = 5  # likes that a user of an example should have
ASKED = 3  # questions about likes, likewise
LATEST = 8  # of them are shown
LONGEST = 90  # characters of a title


def examples(data: Interactions, found: Predictions) -> Iterable[Example]:
    rows = data.of("test")
    users, first, count = np.unique(data.rows.users[rows], return_index=True, return_counts=True)
    known = (data.end - data.start)[rows[first]]
    enough = (known >= KNOWN) & ((count >= ASKED) | (data.task != "like"))
    for user, at in draw(data.user_ids[users], first, enough):
        history = data.histories(rows[[at]], LATEST).items[0].numpy()
        yield Example(
            user=user,
            known=int((data.end - data.start)[rows[at]]),
            history=[name(data, item) for item in history if item],
            **(asked(data, found, at) if data.task == "like" else listed(data, found, at)),  # type: ignore[arg-type]
        )


def draw(ids: Ints, first: Ints, enough: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(user, place of the first row): in the order of a hash of their ids, those of whom enough is known first."""

    def key(place: int) -> tuple[bool, str]:
        return not enough[place], hashlib.md5(str(ids[place]).encode(), usedforsecurity=False).hexdigest()

    return [(int(ids[place]), int(first[place])) for place in sorted(range(len(ids)), key=key)[:USERS]]


def asked(data: Interactions, found: Predictions, at: int) -> dict[str, object]:
    """The user's test rows with the highest probabilities, and how they were answered."""
    rows = np.flatnonzero(found.users == found.users[at])
    share, label = found.columns["probability"][rows], found.columns["label"][rows]
    items = np.searchsorted(data.item_ids, found.items[rows])
    best = np.argsort(-share, kind="stable")[:SHOWN]
    said, true = share >= 0.5, label == 1
    return {
        "shown": [
            Shown(name(data, items[row]), f"P {number(share[row])}", "liked" if true[row] else "disliked")
            for row in best
        ],
        "outcome": f"{len(rows):,} asked, {int(true.sum()):,} of them liked; the system was on the right side of .5 "
        f"for {int((said == true).sum()):,} of them.",
    }


def listed(data: Interactions, found: Predictions, at: int) -> dict[str, object]:
    """The first places of the list, and where the item that came next stood."""
    top = found.top[at, :SHOWN]
    target, rank = found.items[at], float(found.columns["rank"][at])
    items = np.searchsorted(data.item_ids, top[top != 0])
    came = name(data, int(np.searchsorted(data.item_ids, target)))
    where = f"on place {rank:,.10g}" if np.isfinite(rank) else "not in the list, or in the history already"
    return {
        "shown": [
            Shown(name(data, item), str(place + 1), "came next" if data.item_ids[item] == target else "")
            for place, item in enumerate(items)
        ],
        "outcome": f"What came next: {came}, {where}.",
    }


def name(data: Interactions, item: int) -> str:
    return textwrap.shorten(data.titles[item - 1], LONGEST, placeholder=" …")
