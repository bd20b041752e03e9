"""`srl data prepare` of a log that is larger than memory: what it takes, from the card.

    python benchmarks/many_rows.py ROWS FOLDER [OPTION ...]     250000000 /tmp/big --memory 512MB

The log is written once into the folder: ROWS lines in order of time, so that nobody has rows side by side. 250 million
rows are 7 GB of text; preparing them takes about as much again on the side.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np

ROWS_A_USER, ITEMS, BLOCK = 154, 62_423, 5_000_000
FIRST, SPAN = 789_652_009, 784_675_694  # seconds since 1970


def write_log(path: Path, rows: int) -> None:
    """The same bytes each time. Users are drawn from a lognormal, items like (rank + 300)^-2.04."""
    rng = np.random.default_rng(250)
    users = rng.permutation(max(1, rows // ROWS_A_USER)).astype(np.int32) + 1
    items = rng.permutation(209_171)[:ITEMS].astype(np.int32) + 1
    often = (np.cumsum(rng.lognormal(0, 1.3, len(users))), np.cumsum((np.arange(ITEMS) + 300) ** -2.04))
    draft, block = path.with_suffix(".draft"), path.with_suffix(".block")
    with draft.open("wb") as log:
        for start in range(0, rows, BLOCK):
            count = min(BLOCK, rows - start)
            user, item = (np.searchsorted(sums, np.sort(rng.random(count)) * sums[-1]) for sums in often)
            columns = {
                "user": rng.permutation(users[user]),
                "item": rng.permutation(items[item]),
                "rating": rng.integers(1, 11, count, dtype=np.int8) / np.float32(2),
                "timestamp": FIRST + (np.arange(start, start + count) * (SPAN / rows)).astype(np.int64),
            }
            header = "HEADER" if start == 0 else "HEADER false"
            duckdb.connect().register("block", columns).execute(f"COPY block TO '{block}' (FORMAT csv, {header})")
            with block.open("rb") as lines:
                shutil.copyfileobj(lines, log, 2**20)
    block.unlink()
    draft.rename(path)


if __name__ == "__main__":
    rows, folder = int(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"log-{rows}.csv"
    if not log.exists():
        write_log(log, rows)
    srl = [sys.executable, "-m", "sasrec_llm", "data"]
    places = os.environ | {"SRL_DATA": str(folder / "data")}
    subprocess.run([*srl, "prepare", str(log), "--name", log.stem, *sys.argv[3:]], env=places, check=True)
