"""Rows a second of LoRA tuning on the prompts of the `collm` benchmark."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from llm_world import arguments, small, train_rows

from sasrec_llm.interfaces import Examples

asked = arguments(width=64, layers=2, batch=64, steps=10)
ask, rows = small(asked.width, asked.layers), train_rows(64 * 12)
weights = list(ask.backbone.lora.parameters())
for weight in weights:
    weight.requires_grad_(True)
optimiser = torch.optim.AdamW(weights, lr=1e-3)


def step(number: int) -> float:
    some = slice(number * asked.batch, (number + 1) * asked.batch)
    loss = ask.loss(Examples(rows.histories.pick(some), rows.targets[some], rows.labels[some]))
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
