"""What both sides of the language-model cases share: weights by a fixed seed, prompts of real titles."""

from __future__ import annotations

import argparse
import os
import random
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from sasrec_llm.backbones.llama import LlamaBackbone
from sasrec_llm.backbones.settings import BuiltInLlamaSettings, LoRASettings
from sasrec_llm.backbones.tiny_llama import corpus, make_tokenizer
from sasrec_llm.interfaces import Examples, Histories
from sasrec_llm.strategies.asking.prompts import Prompts
from sasrec_llm.strategies.asking.yes_no import YesNo
from sasrec_llm.strategies.settings import TextPromptSettings

DATA = Path(os.environ["SRL_TEST_DATA"])
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]


def arguments(**defaults: int) -> Any:
    """Whole numbers, as --name."""
    parser = argparse.ArgumentParser()
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


def titles() -> list[str]:
    found = duckdb.sql(f"SELECT title FROM '{DATA}/collm-ml-1m/items.parquet' ORDER BY item").fetchall()
    return [title for (title,) in found]


def tinyllama(layers: int, width: int) -> YesNo:
    """TinyLlama-1.1B's geometry (width 2048), of which `layers` are there; 16 titles make a prefix of 256 tokens."""
    tokenizer = AutoTokenizer.from_pretrained(str(DATA / "llama2-tokenizer"))
    shape = {"num_hidden_layers": layers, "num_attention_heads": 32, "num_key_value_heads": 4}
    config = LlamaConfig(
        vocab_size=32_000, hidden_size=width, intermediate_size=width * 11 // 4, max_position_embeddings=2048, **shape
    )
    return ask(made(config), tokenizer, titles(), names=16, lora=None)


def small(width: int, layers: int) -> YesNo:
    """The built-in `tiny-llama`, unlearned; LoRA without dropout, so that losses can be compared."""
    texts, settings = titles(), BuiltInLlamaSettings(width=width, layers=layers)
    tokenizer = make_tokenizer(corpus(tuple(texts), random.Random(0), lines=20_000), settings)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=8 * width // 3 // 8 * 8,
        num_hidden_layers=layers, num_attention_heads=4, num_key_value_heads=4,
        max_position_embeddings=512, tie_word_embeddings=True,
    )  # fmt: skip
    return ask(made(config), tokenizer, texts, names=10, lora=LoRASettings(r=8, dropout=0.0, targets=TARGETS))


def made(config: LlamaConfig) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(config)


def ask(model: Any, tokenizer: Any, texts: list[str], *, names: int, lora: LoRASettings | None) -> YesNo:
    backbone = LlamaBackbone(model=model, tokenizer=tokenizer, lora=lora)
    settings = TextPromptSettings(titles=names)
    prompts = Prompts(
        settings=settings, tokenizer=backbone.tokenizer, item_texts=texts, context=backbone.context,
        answers=settings.answers,
    )  # fmt: skip
    return YesNo(backbone=backbone, prompts=prompts, yes_only=False)


def drawn(users: int, history: int, candidates: int) -> tuple[Histories, torch.Tensor]:
    """Random items as histories and candidates."""
    chance, n_items = np.random.default_rng(0), len(titles())
    items, asked = (torch.from_numpy(chance.integers(1, n_items + 1, (users, n))) for n in (history, candidates))
    nothing = torch.zeros(users, dtype=torch.int64)
    return Histories(items, nothing + history, nothing, nothing), asked


def train_rows(count: int) -> Examples:
    """Rows of the benchmark's train split, in a random order."""
    folder = DATA / "collm-ml-1m"
    names = duckdb.sql(f"SELECT item FROM '{folder}/items.parquet' ORDER BY item").fetchall()
    ids = {name: number for number, (name,) in enumerate(names, start=1)}
    query = f"SELECT item, label, history FROM '{folder}/interactions.parquet' WHERE split = 'train' ORDER BY row"
    rows = duckdb.sql(query).fetchall()
    picked = [rows[at] for at in np.random.default_rng(0).permutation(len(rows))[:count]]
    items = torch.zeros(count, 10, dtype=torch.int64)
    for row, (_, _, history) in enumerate(picked):
        known = [ids[name] for name in history][-10:]
        items[row, 10 - len(known) :] = torch.tensor(known, dtype=torch.int64)
    nothing = torch.zeros(count, dtype=torch.int64)
    targets = torch.tensor([[ids[item]] for item, _, _ in picked])
    labels = torch.tensor([[float(label)] for _, label, _ in picked])
    return Examples(Histories(items, (items > 0).sum(1), nothing, nothing), targets, labels)
