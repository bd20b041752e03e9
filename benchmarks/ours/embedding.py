"""Titles to vectors with all-MiniLM-L6-v2: texts a second; with `--again`, when they were embedded before."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
from titles import model, titles

from sasrec_llm.backbones.sentence_encoder import load
from sasrec_llm.backbones.settings import SentenceEncoderSettings

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--again", action="store_true")
parser.add_argument("--dtype", default="fp32")
asked = parser.parse_args()
texts, settings = titles(), SentenceEncoderSettings(model=model(), dtype=asked.dtype)
with tempfile.TemporaryDirectory() as cache:
    for again in range(1 + asked.again):
        reader = load(settings, cache=Path(cache), device="cpu")
        if not again:
            load(settings, cache=None, device="cpu").embed_texts(texts[:64])  # warm up
        began = time.perf_counter()
        vectors = reader.embed_texts(texts)
        seconds = time.perf_counter() - began
print(
    json.dumps(
        {"value": len(texts) / seconds, "checks": {"first": float(vectors[0, 0]), "mean": float(vectors.mean())}}
    )
)
