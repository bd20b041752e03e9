"""polars: read, 5-core until nothing leaves, ids, order by user and time, leave-one-out; `--write`: Parquet too."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

os.environ["POLARS_MAX_THREADS"] = os.environ["OMP_NUM_THREADS"]

import polars as pl

began = time.perf_counter()
rows = pl.read_csv(sys.argv[1], schema_overrides={"userId": pl.Int32, "movieId": pl.Int32, "rating": pl.Float32})
before = -1
while len(rows) != before:
    before = len(rows)
    for key in ("userId", "movieId"):
        enough = rows.group_by(key).len().filter(pl.col("len") >= 5)
        rows = rows.join(enough, on=key, how="semi", maintain_order="left")
rows = rows.with_columns(pl.col("userId", "movieId").rank("dense").cast(pl.Int32))
rows = rows.sort("userId", "timestamp", maintain_order=True)
left = pl.int_range(pl.len(), 0, -1).over("userId")
rows = rows.with_columns(part=pl.when(left == 1).then(2).when(left == 2).then(1).otherwise(0).cast(pl.Int8))
parts = dict(rows.group_by("part").len().iter_rows())
with tempfile.TemporaryDirectory() as folder:
    if "--write" in sys.argv:
        rows.write_parquet(Path(folder, "rows.parquet"), compression="zstd")
    seconds = time.perf_counter() - began
checks = {"kept": len(rows), "train": parts[0], "valid": parts[1], "test": parts[2]}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
print(json.dumps({"value": seconds, "checks": checks, "peak_mb": peak}))
