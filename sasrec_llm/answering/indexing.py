"""An index for an export: as much of the catalogue is looked through as it takes to find nearly all of the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from sasrec_llm.answering.index import Index, new_index
from sasrec_llm.answering.loaded import LoadedRun
from sasrec_llm.answering.questions import Question

ENOUGH = 0.95  # of the best items are found
BEST = 10
ASKED = 512  # people: one half chooses how much is looked through, the other says what that finds


@dataclass(frozen=True, slots=True)
class Made:
    index: Index
    recall: float  # share of the exact best ten that it finds

    def told(self) -> str:
        index = self.index
        return (
            f"approximate: {index.probed:,} of {len(index.centres):,} cells are looked through for each person, which "
            f"finds {self.recall:.1%} of the exact best {BEST}"
        )


def make_index(loaded: LoadedRun, users: Sequence[str]) -> Made:
    """`users`: ids of those in the data. Until it returns, `loaded` searches with it."""
    index = new_index(loaded.item_vectors())
    people = [loaded.question(user) for user in users[:: -(-len(users) // ASKED)]] if users else [Question()]
    choosing, telling = people[::2], people[1::2] or people
    while recall(loaded, index, choosing) < ENOUGH and index.probed < len(index.centres):
        index.probed = min(2 * index.probed, len(index.centres))
    return Made(index, recall(loaded, index, telling))


def recall(loaded: LoadedRun, index: Index, people: Sequence[Question]) -> float:
    loaded.index = None
    exact = loaded.rank(people, BEST)[0].cpu()
    loaded.index = index
    found = loaded.rank(people, BEST)[0]
    loaded.index = None
    hits: Tensor = (exact[:, :, None] == found[:, None]).any(2) & (exact != 0)
    return float(hits.sum() / (exact != 0).sum())
