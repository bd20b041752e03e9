"""torchmetrics: retrieval metrics on one row for each user and item of a list.

torchmetrics computes in float32.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from torchmetrics.retrieval import RetrievalHitRate, RetrievalMRR, RetrievalNormalizedDCG

sys.path.append(str(Path(__file__).parents[1]))
from lists import NAMES, USERS, K, lists

METRICS = {"hr": RetrievalHitRate, "ndcg": RetrievalNormalizedDCG, "mrr": RetrievalMRR}
top, targets = (torch.from_numpy(array) for array in lists())


def measure() -> dict[str, float]:
    users = torch.arange(USERS)[:, None].expand(USERS, K).reshape(-1)
    scores = torch.arange(K, 0, -1.0).expand(USERS, K).reshape(-1)
    hits = (top == targets[:, None]).reshape(-1)
    found = {}
    for name in NAMES:
        metric, k = name.split("@")
        found[name] = float(METRICS[metric](empty_target_action="neg", top_k=int(k))(scores, hits, indexes=users))
    return found


began = time.perf_counter()
found = measure()
print(json.dumps({"value": time.perf_counter() - began, "checks": found}))
