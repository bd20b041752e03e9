"""The encoders shipped here. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sasrec_llm.components import Component
from sasrec_llm.encoders.settings import BiasRegressionSettings, ConstantSettings, ItemMeanSettings, SASRecSettings


def encoders() -> Iterable[Component[Any, Any]]:
    yield Component(
        name="sasrec",
        summary="self-attention over the liked items (SASRecLLM 3.1.1)",
        settings=SASRecSettings,
        build="sasrec_llm.encoders.sasrec:build",
        offers=frozenset({"vectors", "states", "causal", "table", "like", "next-item"}),
    )
    yield Component(
        name="constant",
        summary="floor: the share of likes in train",
        settings=ConstantSettings,
        build="sasrec_llm.encoders.floors:build_constant",
        offers=frozenset({"fit"}),
    )
    yield Component(
        name="item-mean",
        summary="floor: the item's share of likes, the same for everyone",
        settings=ItemMeanSettings,
        build="sasrec_llm.encoders.floors:build_item_mean",
        offers=frozenset({"fit"}),
    )
    yield Component(
        name="bias-regression",
        summary="floor: logistic regression on user and item ids",
        settings=BiasRegressionSettings,
        build="sasrec_llm.encoders.floors:build_bias_regression",
        offers=frozenset({"fit"}),
    )
