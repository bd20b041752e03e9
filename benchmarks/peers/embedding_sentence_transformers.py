"""The same with `SentenceTransformer.encode`, at a batch size of 64."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer

sys.path.append(str(Path(__file__).parents[1]))
from titles import model, titles

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
texts, encoder = titles(), SentenceTransformer(model(), device="cpu")
encoder.encode(texts[:64])
began = time.perf_counter()
vectors = encoder.encode(texts, batch_size=64, normalize_embeddings=True)
seconds = time.perf_counter() - began
print(
    json.dumps(
        {"value": len(texts) / seconds, "checks": {"first": float(vectors[0, 0]), "mean": float(vectors.mean())}}
    )
)
