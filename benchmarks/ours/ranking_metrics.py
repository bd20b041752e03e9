"""HR, NDCG and MRR at 10 and 20 of lists, as `srl eval` computes them."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.append(str(Path(__file__).parents[1]))
from lists import ITEMS, NAMES, USERS, lists

from sasrec_llm.evaluation import ranking_metrics
from sasrec_llm.evaluation.ranks import rank_list
from sasrec_llm.evaluation.statistics import value
from sasrec_llm.interfaces import Ranked

top, targets = lists()


def measure() -> dict[str, float]:
    ranks, _ = rank_list(torch.from_numpy(top), torch.from_numpy(targets))
    ranked = Ranked(np.arange(USERS), targets, ranks.numpy(), top, np.zeros(ITEMS + 1, np.int64))
    found = {}
    for name in NAMES:
        metric, k = name.split("@")
        found[name] = value(getattr(ranking_metrics, metric)(ranked, int(k)))
    return found


measure()
began = time.perf_counter()
for _ in range(20):
    found = measure()
print(json.dumps({"value": (time.perf_counter() - began) / 20, "checks": found}))
