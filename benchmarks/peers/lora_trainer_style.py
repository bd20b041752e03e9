"""Rows a second of LoRA tuning in the manner of a Hugging Face Trainer: padded prompts, all logits at every position.

`--length 0` pads to the longest of a batch, any other number to that length. The loss is over the two answers, as ours.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))
from llm_world import arguments, small, train_rows

asked = arguments(width=64, layers=2, batch=64, steps=10, length=512)
ask, rows = small(asked.width, asked.layers), train_rows(64 * 12)
model, (yes, no) = ask.backbone.model, ask.prompts.answers
weights = list(ask.backbone.lora.parameters())
for weight in weights:
    weight.requires_grad_(True)
optimiser = torch.optim.AdamW(weights, lr=1e-3)


def step(number: int) -> float:
    some = slice(number * asked.batch, (number + 1) * asked.batch)
    prompts = ask.prompts.render(rows.histories.items[some], rows.targets[some, 0])
    tokens = F.pad(prompts.tokens, (0, max(asked.length - prompts.tokens.shape[1], 0)))
    known = (torch.arange(tokens.shape[1]) < prompts.lengths[:, None]).long()
    logits = model(input_ids=tokens, attention_mask=known).logits
    last = logits[torch.arange(len(tokens)), prompts.lengths - 1]
    loss = F.binary_cross_entropy_with_logits(last[:, yes] - last[:, no], rows.labels[some, 0])
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(weights, 1.0)
    optimiser.step()
    return float(loss.detach())


first = step(0)
began = time.perf_counter()
losses = [step(number) for number in range(1, asked.steps + 1)]
seconds = time.perf_counter() - began
checks = {"first loss": first, "second loss": losses[0]}
print(json.dumps({"value": asked.batch * asked.steps / seconds, "checks": checks}))
