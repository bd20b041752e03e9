"""The yes/no question in words alone: ICL untuned, few-shot with solved examples, TALLRec when LoRA is tuned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from sasrec_llm.components import BuildContext
from sasrec_llm.errors import UsageError
from sasrec_llm.interfaces import Examples, TrainingData
from sasrec_llm.strategies.asking.prompts import Prompts
from sasrec_llm.strategies.asking.strategy import Asking, check_ratings
from sasrec_llm.strategies.asking.yes_no import YesNo
from sasrec_llm.strategies.settings import TextPromptSettings


def build(settings: TextPromptSettings, context: BuildContext) -> Asking:
    backbone = context.backbone
    if backbone is None:
        raise ValueError("text-prompt needs a backbone")

    check_ratings(settings, context)

    def prompts(item_texts: Sequence[str], before: Sequence[int] = ()) -> Prompts:
        return Prompts(
            settings=settings,
            tokenizer=backbone.tokenizer,
            item_texts=item_texts,
            context=backbone.context,
            answers=settings.answers,
            before=before,
        )

    before: list[int] = []
    if settings.shots:
        learned = context.learned
        if learned.data is None:
            raise ValueError("shots are taken from the train rows, and there are none")
        shots = choose_shots(learned.data, settings.shots, settings.titles, context.seed)
        separator = backbone.tokenizer.pieces(["\n\n"])[0]
        before = solved(prompts(learned.item_texts), shots, separator, settings.ratings)
    ask = YesNo(
        backbone=backbone,
        prompts=prompts(context.item_texts, before),
        yes_only=settings.probability == "yes-only",
        ratings=settings.ratings,
        like_at=context.like_at,
    )
    return Asking(
        backbone=backbone,
        asks={"text": ask},
        task=context.task,
        n_items=context.n_items,
        candidates=settings.candidates,
        encoder=context.encoder,
    )


def choose_shots(data: TrainingData, count: int, titles: int, seed: int) -> Examples:
    """Train rows drawn at random, likes and dislikes in turn."""
    labels = data.rows().labels
    chance = np.random.default_rng(seed)
    likes, dislikes = (chance.permutation(np.flatnonzero(labels == value)) for value in (1, 0))
    if len(likes) < (count + 1) // 2 or len(dislikes) < count // 2:
        raise UsageError(
            f"strategy.shots = {count} takes {(count + 1) // 2} likes and {count // 2} dislikes from train, which has "
            f"{len(likes):,} and {len(dislikes):,}"
        )
    turns = [(likes, dislikes)[turn % 2][turn // 2] for turn in range(count)]
    return data.examples("train", np.array(turns), titles)


def solved(prompts: Prompts, shots: Examples, separator: list[int], ratings: tuple[float, ...]) -> list[int]:
    """The shots as prompts with their answers, one after the other; only the first has the beginning-of-text token."""
    batch = prompts.render(shots.histories.last(prompts.titles), shots.targets[:, 0])
    rated: list[int] = []
    if ratings and shots.ratings is not None:
        rated = (shots.ratings - torch.tensor(ratings)).abs().argmin(1).tolist()
    tokens: list[int] = []
    for row, liked in enumerate(shots.labels[:, 0].bool().tolist()):
        prompt = batch.tokens[row, : batch.lengths[row]].tolist()
        answer = prompts.answer_tokens[rated[row] if rated else 0 if liked else 1]
        tokens += (prompt if not tokens else prompt[prompts.bos_length :]) + answer + separator
    return tokens
