"""The encoders shipped here. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sasrec_llm.components import Component
from sasrec_llm.encoders.settings import (
    BERT4RecSettings,
    BiasRegressionSettings,
    ConstantSettings,
    GRU4RecSettings,
    ItemKNNSettings,
    ItemMeanSettings,
    MarkovSettings,
    MFSettings,
    NCFSettings,
    PopularityMonthSettings,
    PopularitySettings,
    PopularityWeekSettings,
    SASRecSettings,
    SKNNSettings,
    StackedSettings,
    VSKNNSettings,
)


def encoders() -> Iterable[Component[Any, Any]]:
    yield Component(
        name="sasrec",
        summary="self-attention over the liked items (SASRecLLM 3.1.1)",
        paper="Kang & McAuley 2018, arXiv 1808.09781",
        settings=SASRecSettings,
        build="sasrec_llm.encoders.sasrec:build",
        offers=frozenset({"vectors", "states", "causal", "table", "like", "next-item"}),
    )
    yield Component(
        name="gru4rec",
        summary="recurrent network over the liked items",
        paper="Hidasi et al. 2016, arXiv 1511.06939",
        settings=GRU4RecSettings,
        build="sasrec_llm.encoders.gru4rec:build",
        offers=frozenset({"vectors", "states", "causal", "table", "like", "next-item"}),
    )
    yield Component(
        name="bert4rec",
        summary="attention in both directions, trained to fill gaps",
        paper="Sun et al. 2019, arXiv 1904.06690",
        settings=BERT4RecSettings,
        build="sasrec_llm.encoders.bert4rec:build",
        offers=frozenset({"vectors", "states", "table", "like", "next-item"}),
    )
    yield Component(
        name="mf",
        summary="matrix factorisation, with or without biases",
        paper="Koren, Bell & Volinsky 2009, doi 10.1109/MC.2009.263",
        settings=MFSettings,
        build="sasrec_llm.encoders.mf:build",
        offers=frozenset({"vectors", "like", "next-item"}),
    )
    yield Component(
        name="ncf",
        summary="factorisation and a network, side by side (NeuMF)",
        paper="He et al. 2017, arXiv 1708.05031",
        settings=NCFSettings,
        build="sasrec_llm.encoders.ncf:build",
        offers=frozenset({"vectors", "like"}),
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
    yield Component(
        name="stacked",
        summary="floor: boosted trees over biases, likeness to the history, tempo, categories and words",
        settings=StackedSettings,
        build="sasrec_llm.encoders.stacked.model:build",
        offers=frozenset({"fit"}),
        may={"backbone": frozenset({"texts"})},
    )
    yield Component(
        name="popularity",
        summary="what was liked most in train, for everyone alike",
        settings=PopularitySettings,
        build="sasrec_llm.encoders.popularity:build",
        offers=frozenset({"fit"}),
    )
    yield Component(
        name="popularity-7d",
        summary="what was liked most in the last 7 days of train",
        settings=PopularityWeekSettings,
        build="sasrec_llm.encoders.popularity:build",
        offers=frozenset({"fit"}),
    )
    yield Component(
        name="popularity-30d",
        summary="what was liked most in the last 30 days of train",
        settings=PopularityMonthSettings,
        build="sasrec_llm.encoders.popularity:build",
        offers=frozenset({"fit"}),
    )
    yield Component(
        name="markov",
        summary="first-order Markov chain, backed off to popularity",
        settings=MarkovSettings,
        build="sasrec_llm.encoders.markov:build",
        offers=frozenset({"fit"}),
    )
    yield Component(
        name="item-knn",
        summary="items liked by the same users as those of the history",
        paper="Sarwar et al. 2001, doi 10.1145/371920.372071",
        settings=ItemKNNSettings,
        build="sasrec_llm.encoders.item_knn:build",
        offers=frozenset({"fit"}),
    )
    yield Component(
        name="sknn",
        summary="session kNN: what users with the nearest items liked",
        paper="Jannach & Ludewig 2017, doi 10.1145/3109859.3109872",
        settings=SKNNSettings,
        build="sasrec_llm.encoders.session_knn:build_sknn",
        offers=frozenset({"fit"}),
    )
    yield Component(
        name="v-sknn",
        summary="session kNN in which newer items of the history count more",
        paper="Ludewig & Jannach 2018, arXiv 1803.09587",
        settings=VSKNNSettings,
        build="sasrec_llm.encoders.session_knn:build_v_sknn",
        offers=frozenset({"fit"}),
    )
