"""Lists like those for ML-1M: 6,040 users, 20 of 3,416 items for each, and the item that came next."""

from __future__ import annotations

import numpy as np

USERS, ITEMS, K = 6_040, 3_416, 20
NAMES = ("hr@10", "hr@20", "ndcg@10", "ndcg@20", "mrr@10", "mrr@20")


def lists() -> tuple[np.ndarray, np.ndarray]:
    """top [users, 20], targets [users]; a third of the targets are in their list."""
    rng = np.random.default_rng(20)
    top = np.stack([rng.choice(ITEMS, K, replace=False) for _ in range(USERS)]) + 1
    place = rng.integers(0, 3 * K, USERS)
    targets = np.where(place < K, top[np.arange(USERS), place % K], ITEMS + 1)
    return top, targets
