"""Candidates scored per second as CoLLM and TALLRec do: a prompt for each, padded to the longest of a batch, and the
whole vocabulary at every position."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from llm_world import arguments, drawn, tinyllama

asked = arguments(candidates=20, layers=2, width=2048, batch=10)
ask = tinyllama(asked.layers, asked.width)
model, (yes, no) = ask.backbone.model, ask.prompts.answers
histories, candidates = drawn(1, 16, asked.candidates)


def score(items: torch.Tensor) -> torch.Tensor:
    prompts = ask.prompts.render(histories.items.expand(len(items), -1), items)
    known = (torch.arange(prompts.tokens.shape[1]) < prompts.lengths[:, None]).long()
    logits = model(input_ids=prompts.tokens, attention_mask=known).logits
    last = logits[torch.arange(len(items)), prompts.lengths - 1]
    return last[:, yes] - last[:, no]


with torch.inference_mode():
    score(candidates[0, :2])
    began = time.perf_counter()
    scores = torch.cat([score(items) for items in candidates[0].split(asked.batch)])
    seconds = time.perf_counter() - began
checks = {"mean": float(scores.mean()), "last": float(scores[-1])}
print(json.dumps({"value": len(scores) / seconds, "checks": checks}))
