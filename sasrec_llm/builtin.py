"""Everything shipped with sasrec_llm, registered through the same hooks as any plugin."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sasrec_llm.aligners.settings import MLPSettings
from sasrec_llm.backbones.settings import BuiltInLlamaSettings, LlamaSettings, TinyLlamaPresetSettings
from sasrec_llm.components import Component, MetricComponent, Objective, Source, StrategyComponent
from sasrec_llm.encoders.settings import BiasRegressionSettings, ConstantSettings, ItemMeanSettings, SASRecSettings
from sasrec_llm.hookspecs import hookimpl
from sasrec_llm.strategies.settings import EncoderOnlySettings, TextPromptSettings, TokenMappingSettings

GROUPLENS = "https://files.grouplens.org/datasets/movielens"
LICENCE = "research use, no redistribution"


@hookimpl
def srl_sources() -> Iterable[Source]:
    yield Source(
        name="ml-1m",
        summary="MovieLens 1M, GroupLens",
        licence=LICENCE,
        read="sasrec_llm.data.readers:read_ml_1m",
        url=f"{GROUPLENS}/ml-1m.zip",
        sha256="a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
    )
    yield Source(
        name="ml-100k",
        summary="MovieLens 100K, GroupLens",
        licence=LICENCE,
        read="sasrec_llm.data.readers:read_ml_100k",
        url=f"{GROUPLENS}/ml-100k.zip",
        sha256="50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
    )
    yield Source(
        name="collm-ml-1m",
        summary="MovieLens 1M as split by CoLLM and used by SASRecLLM",
        licence=LICENCE,
        read="sasrec_llm.data.readers:read_collm",
        history="collm",
    )
    yield Source(
        name="demo",
        summary="made-up films and ratings, for trying things out",
        licence="Apache-2.0, generated here",
        read="sasrec_llm.data.demo:read",
        generated=True,
    )


@hookimpl
def srl_encoders() -> Iterable[Component[Any, Any]]:
    yield Component(
        name="sasrec",
        summary="self-attention over the liked items (SASRecLLM 3.1.1)",
        settings=SASRecSettings,
        build="sasrec_llm.encoders.sasrec:build",
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


@hookimpl
def srl_aligners() -> Iterable[Component[Any, Any]]:
    yield Component(
        name="mlp",
        summary="two linear layers, K soft tokens (SASRecLLM eq. 8-9)",
        settings=MLPSettings,
        build="sasrec_llm.aligners.mlp:build",
    )


@hookimpl
def srl_backbones() -> Iterable[Component[Any, Any]]:
    offers = frozenset({"prompts", "lora"})
    yield Component(
        name="llama",
        summary="any Llama-family model, from a folder or the Hugging Face hub",
        settings=LlamaSettings,
        build="sasrec_llm.backbones.llama:build",
        offers=offers,
    )
    yield Component(
        name="tinyllama",
        summary="TinyLlama-1.1B-Chat, the paper's backbone",
        settings=TinyLlamaPresetSettings,
        build="sasrec_llm.backbones.llama:build",
        offers=offers,
    )
    yield Component(
        name="tiny-llama",
        summary="a small Llama made here from the item texts: no download",
        settings=BuiltInLlamaSettings,
        build="sasrec_llm.backbones.tiny_llama:build",
        offers=offers,
    )


@hookimpl
def srl_strategies() -> Iterable[StrategyComponent[Any, Any]]:
    like = Objective(
        summary="the encoder alone learns likes and dislikes",
        train=("encoder",),
        uses=("encoder",),
        needs={"encoder": frozenset({"like"})},
    )
    text = Objective(
        summary="LoRA learns to answer in words alone",
        train=("lora",),
        uses=("backbone", "strategy"),
        needs={"backbone": frozenset({"lora"})},
    )
    yield StrategyComponent(
        name="encoder-only",
        summary="an encoder by itself: baselines and floors",
        settings=EncoderOnlySettings,
        build="sasrec_llm.strategies.encoder_only:build",
        needs={"encoder": frozenset()},
        objectives={
            "fit": Objective(
                summary="a closed form, no training",
                train=("encoder",),
                uses=("encoder",),
                needs={"encoder": frozenset({"fit"})},
            ),
            "like": like,
        },
    )
    yield StrategyComponent(
        name="text-prompt",
        summary="a yes/no question in words: ICL untuned, TALLRec tuned",
        settings=TextPromptSettings,
        build="sasrec_llm.strategies.text_prompt:build",
        needs={"backbone": frozenset({"prompts"})},
        objectives={"text": text},
    )
    yield StrategyComponent(
        name="token-mapping",
        summary="SASRecLLM: encoder vectors as soft tokens in the prompt",
        settings=TokenMappingSettings,
        build="sasrec_llm.strategies.token_mapping:build",
        needs={
            "encoder": frozenset({"vectors"}),
            "aligner": frozenset(),
            "backbone": frozenset({"prompts"}),
        },
        objectives={
            "like": like,
            "text": text,
            "hybrid": Objective(
                summary="the whole answers, with soft tokens in the slots",
                train=("encoder", "aligner", "lora"),
                uses=("encoder", "aligner", "backbone", "strategy"),
            ),
        },
    )


@hookimpl
def srl_metrics() -> Iterable[MetricComponent]:
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


@hookimpl
def srl_recipes() -> Iterable[Path]:
    here = Path(__file__).parent
    yield next(
        (folder for folder in (here / "_recipes", here.parent / "recipes") if folder.is_dir()), here / "_recipes"
    )
