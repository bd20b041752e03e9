"""The protocols: what each can ask, and what of the answers is shown unless a recipe says otherwise. How they split
rows is in `data/sql/protocol_*.sql`."""

from __future__ import annotations

from typing import Literal

from sasrec_llm.components import Task

Protocol = Literal["collm", "temporal", "leave-one-out", "session", "k-fold"]
TASKS: dict[str, tuple[Task, ...]] = {  # what can be asked under a protocol; the first is asked unless said otherwise
    "collm": ("like",),
    "temporal": ("like", "next-item"),
    "leave-one-out": ("next-item",),
    "session": ("next-item",),
    "k-fold": ("like", "next-item"),
}
FOLDS = 5
Subset = Literal[
    "all",
    "warm",
    "warm-3",
    "not-warm",
    "seen",
    "cold",
    "both-new",
    "known-users",
    "new-users",
    "known-items",
    "new-items",
    "head-items",
    "mid-items",
    "tail-items",
    "history-0",
    "history-1-9",
    "history-10-49",
    "history-50+",
]  # defined in evaluate/subsets.py
LIKE_METRICS = ("auc", "uauc", "logloss", "brier", "ece", "accuracy", "precision", "recall", "f1", "yes")
NEXT_METRICS = (
    "hr@10", "ndcg@10", "hr@20", "ndcg@20", "mrr@10", "mrr@20", "coverage@20", "novelty@20", "serendipity@20",
)  # fmt: skip
DEFAULTS: dict[Task, dict[str, list[str]]] = {
    "like": {
        "subsets": ["all", "warm", "cold"],
        "metrics": list(LIKE_METRICS),
        "floors": ["constant", "item-mean", "bias-regression", "stacked"],
    },
    "next-item": {
        "subsets": ["all", "known-items", "new-items"],
        "metrics": list(NEXT_METRICS),
        "floors": ["popularity", "popularity-7d", "popularity-30d", "markov"],
    },
}
METRIC: dict[Task, str] = {"like": "auc", "next-item": "ndcg@10"}
SUBSETS: dict[tuple[Protocol, Task], list[str]] = {  # where a protocol has other rows worth a table than its task
    ("temporal", "next-item"): ["all", "known-users", "new-users", "known-items", "new-items"],
    ("k-fold", "like"): ["all", "known-items", "new-items"],  # every user is new
}
