"""RecTools: `calc_metrics` on a table of recommendations."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from rectools import Columns
from rectools.metrics import MRR, NDCG, HitRate, calc_metrics

sys.path.append(str(Path(__file__).parents[1]))
from lists import NAMES, USERS, K, lists

METRICS = {"hr": HitRate, "ndcg": NDCG, "mrr": MRR}
top, targets = lists()
table = pd.DataFrame(
    {
        Columns.User: np.repeat(np.arange(USERS), K),
        Columns.Item: top.reshape(-1),
        Columns.Rank: np.tile(np.arange(1, K + 1), USERS),
    }
)
truth = pd.DataFrame({Columns.User: np.arange(USERS), Columns.Item: targets})
metrics = {name: METRICS[name.split("@")[0]](k=int(name.split("@")[1])) for name in NAMES}
metrics |= {f"ndcg@{k}": NDCG(k=k, divide_by_achievable=True) for k in (10, 20)}  # one target: best is to have it first

calc_metrics(metrics, table, truth)
began = time.perf_counter()
for _ in range(5):
    found = calc_metrics(metrics, table, truth)
print(json.dumps({"value": (time.perf_counter() - began) / 5, "checks": {name: float(found[name]) for name in NAMES}}))
