"""The yes/no question in words alone: ICL untuned, TALLRec when LoRA is tuned."""

from __future__ import annotations

from collections.abc import Mapping

from sasrec_llm.components import BuildContext
from sasrec_llm.interfaces import Backbone, Part, Recommender
from sasrec_llm.strategies.prompts import Prompts
from sasrec_llm.strategies.settings import TextPromptSettings
from sasrec_llm.strategies.yes_no import YesNo


class TextPrompt:
    def __init__(self, *, backbone: Backbone, recommender: YesNo) -> None:
        self.backbone = backbone
        self._recommender = recommender
        self.history_length = recommender.prompts.titles

    def parts(self) -> Mapping[str, Part]:
        return {"lora": self.backbone.lora} if self.backbone.lora else {}

    def recommender(self, objective: str) -> Recommender:
        return self._recommender


def build(settings: TextPromptSettings, context: BuildContext) -> TextPrompt:
    backbone = context.backbone
    if backbone is None:
        raise ValueError("text-prompt needs a backbone")
    prompts = Prompts(
        settings=settings, tokenizer=backbone.tokenizer, item_texts=context.item_texts, context=backbone.context
    )
    asks = YesNo(backbone=backbone, prompts=prompts, yes_only=settings.probability == "yes-only")
    return TextPrompt(backbone=backbone, recommender=asks)
