"""SASRecLLM: encoder vectors, mapped into token space, fill the slots of the prompt (paper section 3.1)."""

from __future__ import annotations

from typing import Any, cast

from sasrec_llm.components import BuildContext
from sasrec_llm.interfaces import Encoder
from sasrec_llm.strategies.asking.prompts import Prompts
from sasrec_llm.strategies.asking.strategy import Asking, check_ratings
from sasrec_llm.strategies.asking.yes_no import HybridYesNo, YesNo
from sasrec_llm.strategies.settings import TokenMappingSettings


def build(settings: TokenMappingSettings, context: BuildContext) -> Asking:
    encoder, aligner, backbone = cast(Encoder, context.encoder), context.aligner, context.backbone
    if aligner is None or backbone is None:
        raise ValueError("token-mapping needs an encoder, an aligner and a backbone")

    def prompts(slot_tokens: int) -> Prompts:
        return Prompts(
            settings=settings,
            tokenizer=backbone.tokenizer,
            item_texts=context.item_texts,
            context=backbone.context,
            answers=settings.answers,
            slot_tokens=slot_tokens,
            history_slots=settings.history_slots,
        )

    check_ratings(settings, context)
    yes_only = settings.probability == "yes-only"
    answers: dict[str, Any] = {"ratings": settings.ratings, "like_at": context.like_at}
    with_slots = prompts(aligner.tokens)

    def hybrid(zero: bool) -> HybridYesNo:
        return HybridYesNo(
            backbone=backbone,
            prompts=with_slots,
            yes_only=yes_only,
            encoder=encoder,
            aligner=aligner,
            history_slots=settings.history_slots,
            zero=zero,
            **answers,
        )

    return Asking(
        backbone=backbone,
        asks={
            "text": YesNo(backbone=backbone, prompts=prompts(0), yes_only=yes_only, **answers),
            "hybrid": hybrid(zero=False),
            "hybrid:zero-slots": hybrid(zero=True),
        },
        task=context.task,
        n_items=context.n_items,
        candidates=settings.candidates,
        encoder=encoder,
        aligner=aligner,
    )
