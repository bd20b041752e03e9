"""The strategies shipped here. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sasrec_llm.components import Objective, StrategyComponent
from sasrec_llm.strategies.settings import EncoderOnlySettings, TextPromptSettings, TokenMappingSettings


def strategies() -> Iterable[StrategyComponent[Any, Any]]:
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
