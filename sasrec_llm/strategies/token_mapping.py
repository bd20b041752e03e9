"""SASRecLLM: encoder vectors, mapped into token space, fill the slots of the prompt (paper section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from sasrec_llm.components import BuildContext
from sasrec_llm.interfaces import Aligner, Backbone, Encoder, Part, Recommender
from sasrec_llm.strategies.prompts import Prompts
from sasrec_llm.strategies.settings import TokenMappingSettings
from sasrec_llm.strategies.yes_no import HybridYesNo, YesNo


class TokenMapping:
    """Three objectives, one for each of what the stages learn: `like` (the encoder by itself), `text` (LoRA on prompts
    without slots), `hybrid` (the whole)."""

    def __init__(
        self, *, encoder: Encoder, aligner: Aligner, backbone: Backbone, text: YesNo, hybrid: HybridYesNo
    ) -> None:
        self._parts: dict[str, Part] = {"encoder": encoder, "aligner": aligner}
        if backbone.lora:
            self._parts["lora"] = backbone.lora
        self._recommenders: dict[str, Recommender] = {"like": encoder, "text": text, "hybrid": hybrid}
        self.history_length = max(encoder.history_length, text.prompts.titles)

    def parts(self) -> Mapping[str, Part]:
        return self._parts

    def recommender(self, objective: str) -> Recommender:
        return self._recommenders[objective]


def build(settings: TokenMappingSettings, context: BuildContext) -> TokenMapping:
    encoder, aligner, backbone = cast(Encoder, context.encoder), context.aligner, context.backbone
    if aligner is None or backbone is None:
        raise ValueError("token-mapping needs an encoder, an aligner and a backbone")

    def prompts(slot_tokens: int) -> Prompts:
        return Prompts(
            settings=settings,
            tokenizer=backbone.tokenizer,
            item_texts=context.item_texts,
            context=backbone.context,
            slot_tokens=slot_tokens,
        )

    yes_only = settings.probability == "yes-only"
    text = YesNo(backbone=backbone, prompts=prompts(0), yes_only=yes_only)
    hybrid = HybridYesNo(
        backbone=backbone, prompts=prompts(aligner.tokens), yes_only=yes_only, encoder=encoder, aligner=aligner
    )
    return TokenMapping(encoder=encoder, aligner=aligner, backbone=backbone, text=text, hybrid=hybrid)
