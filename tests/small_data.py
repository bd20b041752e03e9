"""Own data of a few rows, prepared, and a recommender that says what it is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from sasrec_llm.data.own import OwnData, own_source
from sasrec_llm.data.prepare import prepare
from sasrec_llm.interfaces import Histories

MONTH = 30.5 * 86_400  # seconds


def prepared(
    folder: Path,
    rows: Iterable[Sequence[object]],
    columns: str = "user,item,rating,timestamp",
    *,
    items: Sequence[str] = (),
    threads: int | None = None,
) -> Path:
    """The rows as the dataset `folder`; `items`: lines of a second file with titles, `item,title`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    given, titles = folder.parent / f"{folder.name}.csv", folder.parent / f"{folder.name}-items.csv"
    given.write_text("\n".join([columns, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    if items:
        titles.write_text("\n".join(["item,title", *items]) + "\n", encoding="utf-8")
    own = OwnData(items=str(titles) if items else None)
    prepare(own_source(folder.name), given=given, folder=folder, cache=folder.parent, own=own, threads=threads)
    return folder


class Told:
    """scores [n_users + 1, n_items + 1]"""

    def __init__(self, scores: torch.Tensor) -> None:
        self.scores = scores

    def score(self, histories: Histories, candidates: torch.Tensor) -> torch.Tensor:
        return self.score_all(histories).gather(1, candidates)

    def score_all(self, histories: Histories) -> torch.Tensor:
        return self.scores[histories.users]
