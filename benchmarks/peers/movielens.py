"""ML-1M as the peers are given it: 5-core, a user's rows in order, rows of one second in the order of the file."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from pathlib import Path


def rows() -> list[tuple[str, str]]:
    """(user, item), ordered by user and time."""
    archive = zipfile.ZipFile(Path(os.environ["SRL_TEST_DATA"]) / "ml-1m-reconstructed" / "ml-1m.zip")
    lines = archive.read("ml-1m/ratings.dat").decode("latin-1").split()
    found = [(user, item, int(time)) for user, item, _, time in (line.split("::") for line in lines)]
    while True:
        users, items = Counter(user for user, _, _ in found), Counter(item for _, item, _ in found)
        kept = [row for row in found if users[row[0]] >= 5 and items[row[1]] >= 5]
        if len(kept) == len(found):
            break
        found = kept
    return [(user, item) for user, item, _ in sorted(found, key=lambda row: (int(row[0]), row[2]))]
