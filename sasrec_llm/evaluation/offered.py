"""The metrics shipped here. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from sasrec_llm.components import MetricComponent

CUTS = (1, 5, 10, 20, 50, 100)
SASRECLLM = "SASRecLLM 2025, arXiv 2507.05733"
BOZ = "as in Boz et al. 2024, arXiv 2402.01339"
PAPERS = {
    "auc": f"{SASRECLLM}, eq. 15",
    "uauc": f"{SASRECLLM}, eq. 16",
    "ndcg": "Järvelin & Kekäläinen 2002, doi 10.1145/582415.582418",
    **dict.fromkeys(("coverage", "novelty", "serendipity"), BOZ),
}


def metrics() -> Iterable[MetricComponent]:
    for name, summary in (
        ("auc", "chance that a like scores above a dislike, over all rows"),
        ("uauc", "the same within each user, mean over users with both"),
        ("logloss", "mean of -log P(what happened)"),
        ("brier", "mean of (p - label)²"),
        ("ece", "calibration error: mean of |mean p - share of likes| over 15 bins of equal mass"),
        ("accuracy", "share of rows on the right side of 0.5"),
        ("precision", "share of likes among predicted likes"),
        ("recall", "share of likes that are predicted"),
        ("f1", "harmonic mean of precision and recall"),
        ("yes", "share of rows that are predicted to be likes"),
        ("rmse", "root mean squared error of the expected rating, where answers are ratings"),
        ("macro-f1", "mean over the ratings of their F1, where answers are ratings"),
    ):
        yield MetricComponent(
            name=name,
            summary=summary,
            measure=f"sasrec_llm.evaluation.metrics:{name.replace('-', '_')}",
            larger_is_better=name not in ("logloss", "brier", "ece", "rmse"),
            paper=PAPERS.get(name, ""),
        )
    for name, summary in (
        ("hr", "share of targets among the first {k}"),
        ("ndcg", "mean of 1 / log2(1 + rank) of the target, 0 beyond {k}"),
        ("mrr", "mean of 1 / rank of the target, 0 beyond {k}"),
        ("coverage", "share of the catalogue among anyone's first {k}"),
        ("novelty", "mean of -log2(share of train likes) of the first {k}"),
        ("serendipity", "share of targets among the first {k} and not among the {k} most popular"),
    ):
        for k in CUTS:
            yield MetricComponent(
                name=f"{name}@{k}",
                summary=summary.format(k=k),
                measure=f"sasrec_llm.evaluation.ranking_metrics:{name}",
                task="next-item",
                at=k,
                paper=PAPERS.get(name, ""),
            )
