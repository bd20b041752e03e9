"""The metrics shipped here. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from sasrec_llm.components import MetricComponent


def metrics() -> Iterable[MetricComponent]:
    for name, summary in (
        ("auc", "chance that a like scores above a dislike, over all rows"),
        ("uauc", "the same within each user, mean over users with both"),
        ("logloss", "mean of -log P(what happened)"),
        ("accuracy", "share of rows on the right side of 0.5"),
        ("precision", "share of likes among predicted likes"),
        ("recall", "share of likes that are predicted"),
        ("f1", "harmonic mean of precision and recall"),
    ):
        yield MetricComponent(
            name=name,
            summary=summary,
            measure=f"sasrec_llm.evaluate.metrics:{name}",
            larger_is_better=name != "logloss",
        )
