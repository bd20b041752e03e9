"""A Llama small enough to be made here: no download, no GPU, the same code path as any other Llama.

Its folder is built once per (settings, item texts, seed) in the cache, in Hugging Face format, and then loaded as
`llama` would load it. It knows the words of the item titles and nothing of the world.
"""

from __future__ import annotations

import random
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils.logging import disable_progress_bar

from sasrec_llm.backbones.llama import LlamaBackbone, load
from sasrec_llm.backbones.settings import BuiltInLlamaSettings
from sasrec_llm.components import BuildContext
from sasrec_llm.durable import digest, new_folder, verify
from sasrec_llm.locks import locked

RECIPE = 2  # raise when the way the model is made changes, so that cached ones are made anew
SPECIAL = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
BATCH, LENGTH = 16, 128
LINES = 20_000  # of what it reads


def build(settings: BuiltInLlamaSettings, context: BuildContext) -> LlamaBackbone:
    shape = settings.model_dump(exclude={"lora", "embed"})
    texts = context.learned.item_texts
    key = digest([RECIPE, shape, texts, context.seed])[:16]
    folder = context.cache / f"tiny-llama-{key}"
    if not folder.exists():
        with locked(folder, wait=True):
            if not folder.exists():
                with new_folder(folder) as draft:
                    make(draft, settings, texts, context.seed)
    verify(folder)
    return load(
        str(folder),
        lora=settings.lora,
        embed=settings.embed,
        cache=context.cache,
        device=context.device,
        dtype="fp32",
    )


def make(folder: Path, settings: BuiltInLlamaSettings, texts: tuple[str, ...], seed: int) -> None:
    lines = corpus(texts, random.Random(seed), lines=LINES)
    tokenizer = make_tokenizer(lines, settings)
    tokenizer.save_pretrained(str(folder))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=settings.width,
                intermediate_size=8 * settings.width // 3 // 8 * 8,
                num_hidden_layers=settings.layers,
                num_attention_heads=settings.heads,
                num_key_value_heads=settings.heads,
                max_position_embeddings=settings.context,
                tie_word_embeddings=True,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
                dtype="float32",
            )
        )
        pretrain(model, tokenizer, lines, settings)
    disable_progress_bar()
    model.save_pretrained(str(folder))


def corpus(texts: tuple[str, ...], chance: random.Random, *, lines: int) -> list[str]:
    """Sentences of the kind that prompts are made of, filled with random titles, and every title by itself."""
    frames = (files("sasrec_llm.backbones") / "tiny_corpus.txt").read_text(encoding="utf-8").splitlines()
    filled = []
    for number in range(lines):
        line = frames[number % len(frames)]
        for field in ("{a}", "{b}", "{c}", "{d}"):
            line = line.replace(field, f'"{chance.choice(texts)}"')
        filled.append(line)
    return [*texts, *filled]


def make_tokenizer(lines: list[str], settings: BuiltInLlamaSettings) -> PreTrainedTokenizerFast:
    """Byte-level BPE: no text is unknown to it."""
    bare = Tokenizer(models.BPE(unk_token=SPECIAL["unk_token"]))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocabulary,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bare.train_from_iterator(lines, trainer)
    start = SPECIAL["bos_token"]
    bare.post_processor = processors.TemplateProcessing(
        single=f"{start} $A", special_tokens=[(start, bare.token_to_id(start))]
    )
    return PreTrainedTokenizerFast(tokenizer_object=bare, model_max_length=settings.context, **SPECIAL)


def pretrain(model: Any, tokenizer: Any, lines: list[str], settings: BuiltInLlamaSettings) -> None:
    """Next-token prediction over the corpus, in windows cut from one long text."""
    ids: list[int] = []
    for line in tokenizer(lines, add_special_tokens=False)["input_ids"]:
        ids += [tokenizer.bos_token_id, *line, tokenizer.eos_token_id]
    text = torch.tensor(ids)
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings.pretrain_lr, weight_decay=0.01)
    steps = max(settings.pretrain_steps, 1)
    rising = 0.1 if steps != 10 else 0.2  # the scheduler divides by zero where the rate rises for exactly one step
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.pretrain_lr, total_steps=steps, pct_start=rising)
    model.train()
    for _ in range(settings.pretrain_steps):
        starts = torch.randint(0, max(len(text) - LENGTH - 1, 1), (BATCH, 1))
        window = text[(starts + torch.arange(LENGTH + 1)) % len(text)]
        logits = model(input_ids=window[:, :-1], use_cache=False).logits
        loss = F.cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    model.eval()
