"""The strategies shipped here. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sasrec_llm.components import Objective, StrategyComponent
from sasrec_llm.strategies.settings import (
    EncoderOnlySettings,
    EnsembleSettings,
    LateFusionSettings,
    LLM2SequentialSettings,
    LLMSeqSimSettings,
    SeqPromptSettings,
    TextPromptSettings,
    TokenMappingSettings,
)

OF_ENCODER = {
    "fit": Objective(
        summary="the encoder has a closed form: one look at the train rows",
        train=("encoder",),
        uses=("encoder",),
        learns="all",
        needs={"encoder": frozenset({"fit"})},
    ),
    "like": Objective(
        summary="the encoder alone learns likes and dislikes",
        train=("encoder",),
        uses=("encoder",),
        needs={"encoder": frozenset({"like"})},
    ),
    "next-item": Objective(
        summary="the encoder alone learns which item is liked next",
        train=("encoder",),
        uses=("encoder",),
        learns="sequences",
        needs={"encoder": frozenset({"next-item"})},
    ),
}
TEXT = Objective(
    summary="LoRA learns to answer in words alone",
    train=("lora",),
    uses=("backbone", "strategy"),
    needs={"backbone": frozenset({"lora"})},
)


def strategies() -> Iterable[StrategyComponent[Any, Any]]:
    yield StrategyComponent(
        name="encoder-only",
        summary="an encoder by itself: baselines and floors",
        settings=EncoderOnlySettings,
        build="sasrec_llm.strategies.encoder_only:build",
        needs={"encoder": frozenset()},
        objectives=OF_ENCODER,
    )
    yield StrategyComponent(
        name="text-prompt",
        summary="a yes/no question in words: ICL untuned, TALLRec tuned; an encoder may name what is reranked",
        settings=TextPromptSettings,
        build="sasrec_llm.strategies.asking.text_prompt:build",
        needs={"backbone": frozenset({"prompts"})},
        may={"encoder": frozenset()},
        to_rank=frozenset({"encoder"}),
        objectives={**OF_ENCODER, "text": TEXT},
    )
    whole = ("encoder", "aligner", "backbone", "strategy")
    yield StrategyComponent(
        name="token-mapping",
        summary="SASRecLLM: encoder vectors as soft tokens in the prompt",
        settings=TokenMappingSettings,
        build="sasrec_llm.strategies.asking.token_mapping:build",
        needs={
            "encoder": frozenset({"vectors"}),
            "aligner": frozenset(),
            "backbone": frozenset({"prompts"}),
        },
        objectives={
            **OF_ENCODER,
            "text": TEXT,
            "mixed": Objective(
                summary="half the rows in words alone, half with soft tokens in the slots",
                train=("encoder", "aligner", "lora"),
                uses=whole,
            ),
            "hybrid": Objective(
                summary="the whole answers, with soft tokens in the slots",
                train=("encoder", "aligner", "lora"),
                uses=whole,
            ),
        },
        ablations={"zero-slots": "zeros in the slots: what words alone are worth to the trained whole"},
    )
    yield StrategyComponent(
        name="llm2sequential",
        summary="an encoder whose item table starts from language-model embeddings of the item texts",
        settings=LLM2SequentialSettings,
        build="sasrec_llm.strategies.embedding.llm2sequential:build",
        needs={"encoder": frozenset({"table"}), "backbone": frozenset({"texts"})},
        objectives={
            name: replace(OF_ENCODER[name], uses=("encoder", "backbone", "strategy")) for name in ("like", "next-item")
        },
    )
    yield StrategyComponent(
        name="llm-seq-sim",
        summary="items nearest to the session in the space of language-model embeddings; no training",
        settings=LLMSeqSimSettings,
        build="sasrec_llm.strategies.embedding.seq_sim:build",
        needs={"backbone": frozenset({"texts"})},
        objectives={},
    )
    yield StrategyComponent(
        name="ensemble",
        summary="finished runs, all with the same say: mean of scores or of ranks",
        settings=EnsembleSettings,
        build="sasrec_llm.strategies.fusing.ensemble:build",
        objectives={
            "fit": Objective(
                summary="quantiles of the validation scores, for rank-mean of likes",
                train=("ensemble",),
                uses=("strategy",),
                learns="all",
            )
        },
    )
    yield StrategyComponent(
        name="late-fusion",
        summary="finished runs and simple features, weighed by a model fitted on the validation rows",
        settings=LateFusionSettings,
        build="sasrec_llm.strategies.fusing.late_fusion:build",
        objectives={
            "fit": Objective(
                summary="logistic regression or boosted trees on the validation rows",
                train=("fusion",),
                uses=("strategy",),
                learns="all",
            )
        },
    )
    yield StrategyComponent(
        name="llm-seq-prompt",
        summary="LLMSeqPrompt: the language model writes the next title, held to those of the catalogue",
        settings=SeqPromptSettings,
        build="sasrec_llm.strategies.writing.seq_prompt:build",
        needs={"backbone": frozenset({"prompts", "writes"})},
        objectives={
            "title": Objective(
                summary="LoRA learns to write the title of the item liked next",
                train=("lora",),
                uses=("backbone", "strategy"),
                learns="likes",
                needs={"backbone": frozenset({"lora"})},
            )
        },
    )
