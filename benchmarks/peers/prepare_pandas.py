"""pandas: read, 5-core until nothing leaves, ids, order by user and time, leave-one-out. Nothing is written.

A `.zip` is MovieLens-1M, whose columns are split by `::`, which pandas reads with its Python engine only.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import zipfile

import numpy as np
import pandas as pd

NAMES = ["userId", "movieId", "rating", "timestamp"]


def read(path: str) -> pd.DataFrame:
    if not path.endswith(".zip"):
        return pd.read_csv(path, dtype={"userId": "int32", "movieId": "int32", "rating": "float32"})
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("ratings.dat"))
        with archive.open(name) as stream:
            return pd.read_csv(stream, sep="::", engine="python", header=None, names=NAMES)


began = time.perf_counter()
rows = read(sys.argv[1])
before = -1
while len(rows) != before:
    before = len(rows)
    for key in ("userId", "movieId"):
        rows = rows[rows[key].map(rows[key].value_counts()) >= 5]
for key in ("userId", "movieId"):
    rows[key] = np.searchsorted(np.sort(rows[key].unique()), rows[key]).astype("int32") + 1
rows = rows.sort_values(["userId", "timestamp"], kind="stable")
left = rows.groupby("userId").cumcount(ascending=False)
rows["part"] = np.select([left == 0, left == 1], [2, 1], 0).astype("int8")
parts = rows["part"].value_counts()
seconds = time.perf_counter() - began
checks = {"kept": len(rows), "train": int(parts[0]), "valid": int(parts[1]), "test": int(parts[2])}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
print(json.dumps({"value": seconds, "checks": checks, "peak_mb": peak}))
