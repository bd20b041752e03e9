"""Titles to vectors with all-MiniLM-L6-v2: texts a second; with `--again`, when they were embedded before."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
from titles import model, titles

from sasrec_llm.backbones.sentence_encoder import load
from sasrec_llm.backbones.settings import SentenceEncoderSettings

texts = titles()
with tempfile.TemporaryDirectory() as cache:
    for again in range(2 if "--again" in sys.argv else 1):
        reader = load(SentenceEncoderSettings(model=model()), cache=Path(cache), device="cpu")
        if not again:
            load(SentenceEncoderSettings(model=model()), cache=None, device="cpu").embed_texts(texts[:64])  # warm up
        began = time.perf_counter()
        vectors = reader.embed_texts(texts)
        seconds = time.perf_counter() - began
print(
    json.dumps(
        {"value": len(texts) / seconds, "checks": {"first": float(vectors[0, 0]), "mean": float(vectors.mean())}}
    )
)
