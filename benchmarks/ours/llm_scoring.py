"""Candidates scored per second: what those of a user share is read once."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from llm_world import arguments, drawn, tinyllama

asked = arguments(candidates=20, layers=2, width=2048)
ask = tinyllama(asked.layers, asked.width)
histories, candidates = drawn(1, 16, asked.candidates)
with torch.inference_mode():
    ask.score(histories, candidates[:, :2])
    began = time.perf_counter()
    scores = ask.score(histories, candidates)
    seconds = time.perf_counter() - began
checks = {"mean": float(scores.mean()), "last": float(scores[0, -1])}
print(json.dumps({"value": scores.numel() / seconds, "checks": checks}))
