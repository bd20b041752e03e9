"""A file of 25,000,000 ratings with the shape of MovieLens-25M, written once; the same bytes each time."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

ROWS, USERS, ITEMS = 25_000_000, 162_541, 62_423
FIRST, LAST = 789_652_009, 1_574_327_703  # seconds since 1970
RATINGS = Path(os.environ.get("SRL_BENCH_CACHE", Path(tempfile.gettempdir(), "srl-bench")), f"ratings-{ROWS}.csv")


def write_ratings(path: Path = RATINGS, rows: int = ROWS) -> None:
    """Users one after the other, 20 rows or more of each, in random order; items are drawn like (rank + 300)^-2.04."""
    import duckdb
    import numpy as np

    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    rng, users = np.random.default_rng(25), max(1, USERS * rows // ROWS)
    often = rng.lognormal(0, 1.3, users)
    often = 20 + np.floor(often / often.sum() * (rows - 20 * users)).astype(np.int64)
    often[0] += rows - often.sum()
    share = np.cumsum((np.arange(ITEMS) + 300) ** -2.04)
    ids = rng.permutation(209_171)[:ITEMS] + 1
    columns = {
        "userId": np.repeat(np.arange(1, users + 1, dtype=np.int32), often),
        "movieId": ids[np.searchsorted(share, rng.random(rows) * share[-1], side="right")].astype(np.int32),
        "rating": (rng.integers(1, 11, rows, dtype=np.int8) / np.float32(2)),
        "timestamp": rng.integers(FIRST, LAST, rows, dtype=np.int64),
    }
    draft = path.with_suffix(".draft")
    duckdb.connect().register("ratings", columns).execute(f"COPY ratings TO '{draft}' (FORMAT csv, HEADER)")
    draft.rename(path)


if __name__ == "__main__":
    write_ratings()
