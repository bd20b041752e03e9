"""The strategies shipped here. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sasrec_llm.components import Across, Objective, StrategyComponent
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
RETRIEVES = "the encoder that answers, or names the items to rank, knows only those it was trained on"
SASRECLLM = "SASRecLLM 2025, arXiv 2507.05733"
FIRST = "first in Harte et al. 2023, arXiv 2309.09261"
FUSED = "its members are runs on the data it was made for; those among them that can are asked one by one"


def strategies() -> Iterable[StrategyComponent[Any, Any]]:
    yield StrategyComponent(
        name="encoder-only",
        summary="an encoder by itself: baselines and floors",
        settings=EncoderOnlySettings,
        build="sasrec_llm.strategies.encoder_only:build",
        needs={"encoder": frozenset()},
        objectives=OF_ENCODER,
        why_not="an encoder knows items by their number, and only those it was trained on",
    )
    yield StrategyComponent(
        name="text-prompt",
        summary="a yes/no question in words: ICL untuned, TALLRec tuned; an encoder may name what is reranked",
        paper="ICL: Brown et al. 2020, arXiv 2005.14165; TALLRec: Bao et al. 2023, arXiv 2305.00447",
        settings=TextPromptSettings,
        build="sasrec_llm.strategies.asking.text_prompt:build",
        needs={"backbone": frozenset({"prompts"})},
        may={"encoder": frozenset()},
        to_rank=frozenset({"encoder"}),
        objectives={**OF_ENCODER, "text": TEXT},
        across=Across(objectives={"text": ""}, tasks=("like",)),
        why_not=RETRIEVES,
    )
    whole = ("encoder", "aligner", "backbone", "strategy")
    yield StrategyComponent(
        name="token-mapping",
        summary="SASRecLLM: encoder vectors as soft tokens in the prompt",
        paper=f"{SASRECLLM}, section 3.1",
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
        across=Across(objectives={"text": "", "mixed": "", "hybrid": "zero-slots"}, tasks=("like",)),
        why_not=RETRIEVES,
    )
    yield StrategyComponent(
        name="llm2sequential",
        summary="an encoder whose item table starts from language-model embeddings of the item texts",
        paper=f"Boz et al. 2024, arXiv 2402.01339, section 3.3; {FIRST}",
        settings=LLM2SequentialSettings,
        build="sasrec_llm.strategies.embedding.llm2sequential:build",
        needs={"encoder": frozenset({"table"}), "backbone": frozenset({"texts"})},
        objectives={
            name: replace(OF_ENCODER[name], uses=("encoder", "backbone", "strategy")) for name in ("like", "next-item")
        },
        why_not="its table starts from texts, but each row of it was trained for one item, and others have none",
    )
    yield StrategyComponent(
        name="llm-seq-sim",
        summary="items nearest to the session in the space of language-model embeddings; no training",
        paper=f"Boz et al. 2024, arXiv 2402.01339, section 3.1; {FIRST}",
        settings=LLMSeqSimSettings,
        build="sasrec_llm.strategies.embedding.seq_sim:build",
        needs={"backbone": frozenset({"texts"})},
        objectives={},
        across=Across(objectives={"": ""}),
    )
    yield StrategyComponent(
        name="ensemble",
        summary="finished runs, all with the same say: mean of scores or of ranks",
        paper=f"future work of {SASRECLLM}, section 6.2",
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
        why_not=FUSED,
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
        why_not=FUSED,
    )
    yield StrategyComponent(
        name="llm-seq-prompt",
        summary="LLMSeqPrompt: the language model writes the next title, held to those of the catalogue",
        paper=f"Boz et al. 2024, arXiv 2402.01339; {FIRST}",
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
        across=Across(objectives={"title": ""}),
    )
