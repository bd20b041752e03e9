"""LLMSeqPrompt (arXiv 2402.01339): the language model is tuned to write the title of the next item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor

from sasrec_llm.components import BuildContext
from sasrec_llm.errors import ComponentError, UsageError
from sasrec_llm.interfaces import Examples, Part, Recommender, Sequences, TrainingData, WritingBackbone
from sasrec_llm.strategies.asking.prompts import Prompts
from sasrec_llm.strategies.settings import SeqPromptSettings
from sasrec_llm.strategies.writing.title_writer import TitleWriter, title_tokens


class SeqPrompt:
    """One objective, `title`: the titles of liked items, word by word."""

    def __init__(self, *, backbone: WritingBackbone, writer: TitleWriter) -> None:
        self._backbone = backbone
        self._writer = writer
        self.history_length = writer.prompts.titles

    def parts(self) -> Mapping[str, Part]:
        return {"lora": self._backbone.lora} if self._backbone.lora else {}

    def recommender(self, objective: str, ablation: str = "") -> Recommender:
        return self._writer

    def loss(self, objective: str, batch: Examples | Sequences) -> Tensor:
        if not isinstance(batch, Examples):
            raise ComponentError(f"objective {objective!r} learns from likes")
        return self._writer.loss(batch.histories, batch.targets)

    def fit(self, objective: str, data: TrainingData) -> None:
        raise ComponentError(f"objective {objective!r} has no closed form")


def build(settings: SeqPromptSettings, context: BuildContext) -> SeqPrompt:
    if context.backbone is None:
        raise ValueError("llm-seq-prompt needs a backbone")
    backbone = cast(WritingBackbone, context.backbone)
    titles, lengths = title_tokens(context.item_texts, backbone.tokenizer, backbone.end, settings.title_tokens)
    room = backbone.context - titles.shape[1]
    if room < 1:
        raise UsageError(
            f"titles of up to {titles.shape[1]} tokens leave no room in the backbone's context of {backbone.context}",
            hint=f"--set strategy.title_tokens={backbone.context // 4}",
        )
    prompts = Prompts(
        settings=settings,
        tokenizer=backbone.tokenizer,
        item_texts=context.item_texts,
        context=room,
        answers=(),
        fields=("history",),
    )
    writer = TitleWriter(
        backbone=backbone,
        prompts=prompts,
        titles=titles,
        lengths=lengths,
        beams=settings.beams,
        length_penalty=settings.length_penalty,
        of_catalogue=settings.share == "catalogue",
    )
    return SeqPrompt(backbone=backbone, writer=writer)
