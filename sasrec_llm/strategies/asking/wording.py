"""Prompts for people to read, with [user], [item] or [history] where the encoder's vectors stand."""

from __future__ import annotations

from sasrec_llm.interfaces import TextTokenizer
from sasrec_llm.strategies.asking.prompt_batch import PromptBatch


def wording(batch: PromptBatch, tokenizer: TextTokenizer) -> list[str]:
    return [_one(batch, row, tokenizer) for row in range(len(batch.tokens))]


def _one(batch: PromptBatch, row: int, tokenizer: TextTokenizer) -> str:
    tokens = batch.tokens[row, : batch.lengths[row]].tolist()
    places = {position: field for field, found in batch.slots.items() for position in found[row].flatten().tolist()}
    text = ""
    run: list[int] = []
    for at, token in enumerate(tokens):
        if at in places:
            text = f"{text}{tokenizer.text(run)}".rstrip() + f" [{places[at]}]"
            run = []
        else:
            run.append(token)
    return text + tokenizer.text(run)
