"""Tokenizers of every common kind and models of several families, small and random, made while a test runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedTokenizerFast

CORPUS = [
    "#Question: A user has given high ratings to the following items: unknown. Using all available information,",
    'predict whether the user would enjoy the item titled "Heat (1995)"? Answer with "Yes" or "No".',
    "#Answer: Yes #Answer: No",
    "Toy Story (1995), Alien (1979), The Lion King (1994), OPI Nail Lacquer 0.5-Fluid Ounce",
    "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 <>[]{}()/#%$'\\&!?;:,.-_",
] * 3
BYTES = pre_tokenizers.ByteLevel.alphabet()
WORDS = Regex(r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")  # in the manner of Qwen


def gpt() -> PreTrainedTokenizerFast:
    """Byte-level BPE: the space belongs to the word. No <unk>, and a start token that is named and never put."""
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(WORDS, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bare.decoder = decoders.ByteLevel()
    trained(bare, trainers.BpeTrainer, ["<|endoftext|>"], initial_alphabet=BYTES)
    return PreTrainedTokenizerFast(tokenizer_object=bare, bos_token="<|endoftext|>", eos_token="<|endoftext|>")


def roberta() -> PreTrainedTokenizerFast:
    """Byte-level BPE that puts a space before whatever comes first."""
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    bare.decoder = decoders.ByteLevel()
    trained(bare, trainers.BpeTrainer, ["<s>", "</s>", "<mask>"], initial_alphabet=BYTES)
    bare.post_processor = around(bare, "<s>", "</s>")
    return PreTrainedTokenizerFast(tokenizer_object=bare, bos_token="<s>", eos_token="</s>", mask_token="<mask>")


def sentencepiece() -> PreTrainedTokenizerFast:
    """BPE with byte fallback and "▁" for the space, also before the first word, as Llama 2."""
    special = ["<unk>", "<s>", "</s>"]
    bare = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    bare.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first")
    bare.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    trained(bare, trainers.BpeTrainer, [*special, *(f"<0x{byte:02X}>" for byte in range(256))])
    bare.post_processor = around(bare, "<s>")
    return PreTrainedTokenizerFast(tokenizer_object=bare, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def unigram() -> PreTrainedTokenizerFast:
    """A unigram language model, as T5 and XLM-R: a character it does not know is <unk>."""
    bare = Tokenizer(models.Unigram())
    bare.normalizer = normalizers.NFKC()
    bare.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    bare.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    trained(bare, trainers.UnigramTrainer, ["<unk>", "<s>", "</s>", "<pad>"], unk_token="<unk>")
    bare.post_processor = around(bare, "", "</s>")
    return PreTrainedTokenizerFast(tokenizer_object=bare, unk_token="<unk>", eos_token="</s>", pad_token="<pad>")


def wordpiece() -> PreTrainedTokenizerFast:
    """BERT's: lower case, no spaces, [CLS] and [SEP] around a text."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    bare = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    bare.normalizer = normalizers.BertNormalizer(lowercase=True)
    bare.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    bare.decoder = decoders.WordPiece()
    trained(bare, trainers.WordPieceTrainer, special)
    bare.post_processor = around(bare, "[CLS]", "[SEP]")
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=bare, model_max_length=64, **names)


def trained(bare: Any, trainer: Any, special: list[str], **options: Any) -> None:
    bare.train_from_iterator(CORPUS, trainer(vocab_size=700, special_tokens=special, show_progress=False, **options))


def around(bare: Any, start: str, end: str = "") -> Any:
    names = [name for name in (start, end) if name]
    return processors.TemplateProcessing(
        single=" ".join(part for part in (start, "$A", end) if part),
        special_tokens=[(name, bare.token_to_id(name)) for name in names],
    )


KINDS = {made.__name__: made for made in (gpt, roberta, sentencepiece, unigram, wordpiece)}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 1},
    "mistral": {"num_key_value_heads": 1, "sliding_window": 8},
    "qwen2": {
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
        "use_sliding_window": True,
        "sliding_window": 8,
        "max_window_layers": 1,
    },
    "qwen3": {"num_key_value_heads": 1, "head_dim": 8},
    "smollm3": {"num_key_value_heads": 1, "tie_word_embeddings": True},
    "gpt2": {},  # other names for everything, tied, and its linear layers are no nn.Linear
    "phi": {},  # its output layer has a bias
}


def save_model(folder: Path, family: str, tokenizer: Any, kind: Any = AutoModelForCausalLM, **changes: Any) -> Path:
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 512,
        "pad_token_id": None,
        "bos_token_id": None,
        "eos_token_id": None,
    } | ({} if family == "gpt2" else {"intermediate_size": 32})
    config = AutoConfig.for_model(family, **(shape | changes))
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = kind.from_config(config)
        for weight in model.parameters():
            torch.nn.init.normal_(weight, std=0.3)  # far enough from zero for a bias to show
    model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder


def save_sentence_encoder(folder: Path, tokenizer: Any, pooling: str = "mean_tokens", normalise: bool = True) -> Path:
    """A BERT in the layout of sentence-transformers."""
    save_model(folder, "bert", tokenizer, AutoModel, pad_token_id=0)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), *([("2_Normalize", "Normalize")] if normalise else [])]
    write(
        folder / "modules.json",
        [
            {"idx": i, "path": path, "type": f"sentence_transformers.models.{name}"}
            for i, (path, name) in enumerate(modules)
        ],
    )
    write(folder / "1_Pooling" / "config.json", {f"pooling_mode_{pooling}": True, "pooling_mode_max_tokens": False})
    write(folder / "sentence_bert_config.json", {"max_seq_length": 24, "do_lower_case": False})
    return folder


def write(path: Path, value: Any) -> None:
    import json

    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))
