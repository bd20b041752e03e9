"""Any causal language model, from a folder or from the Hugging Face hub: the Llama family, Qwen, Mistral, SmolLM."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from sasrec_llm import processes, products
from sasrec_llm.backbones.asked import last_states
from sasrec_llm.backbones.branching import branch_states, each_branch
from sasrec_llm.backbones.families import can_branch, check_answers
from sasrec_llm.backbones.lora import LoRA, add_lora
from sasrec_llm.backbones.model_files import UNREADABLE, check_folder, check_report, find_folder, first_line, precision
from sasrec_llm.backbones.quantise import four_bit, ready_for_lora
from sasrec_llm.backbones.settings import EmbedSettings, LlamaSettings, LoRASettings
from sasrec_llm.backbones.sharding import is_sharded, load_share, shard_layers
from sasrec_llm.backbones.text import PieceTokenizer
from sasrec_llm.backbones.text_vectors import TextReader, embed_texts
from sasrec_llm.backbones.vector_cache import VectorCache
from sasrec_llm.backbones.writing import ReadPrompts, end_token, token_logits
from sasrec_llm.components import BuildContext
from sasrec_llm.errors import ModelError

NO_LIMIT = 2048  # the context of a model that names none


class LlamaBackbone(nn.Module):
    """A frozen language model that reads embeddings and answers at the last position.

    Prompts are padded on the right and no mask is given: attention is causal, so what follows the last real token
    cannot reach it, and a row's score does not depend on its batch.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        tokenizer: Any,
        lora: LoRASettings | None,
        embed: EmbedSettings = EmbedSettings(),  # noqa: B008
        cache: VectorCache | None = None,
        source: Path | None = None,
        shard: bool = False,
    ) -> None:
        super().__init__()
        model.requires_grad_(False)
        config: Any = model.config
        text = config.get_text_config()
        self.model: Any = add_lora(model, lora) if lora else model
        self._causal_lm: Any = model
        self.tokenizer = PieceTokenizer(tokenizer)
        self.width: int = text.hidden_size
        products.large_ones(self.width)
        self.context: int = getattr(text, "max_position_embeddings", None) or NO_LIMIT
        self.lora = LoRA(self.model) if lora else None
        self._embed, self._cache = embed, cache
        self._tokens = tokenizer
        self.source = source
        self._device, self._waits = "cpu", shard  # on the CPU, to be sharded
        self.eval()

    @property
    def embedding_scale(self) -> float:
        return float(self._causal_lm.get_input_embeddings().weight.detach().float().std())

    @property
    def sharded(self) -> bool:
        return is_sharded(self._causal_lm.get_decoder())

    def shard(self) -> None:
        if self._waits:
            self._waits = False
            shard_layers(self._causal_lm.get_decoder(), self._device)
            self.to(self._device)

    def to(self, device: str) -> LlamaBackbone:  # type: ignore[override]
        self._device = device
        return self if self._waits else super().to(device)

    def embed(self, tokens: Tensor) -> Tensor:
        return self._causal_lm.get_input_embeddings()(tokens)  # type: ignore[no-any-return]

    def next_logits(self, embeddings: Tensor, lengths: Tensor, answers: Tensor) -> Tensor:
        """[B, L, D] -> [B, A]"""
        return self._answers(last_states(self._causal_lm.get_decoder(), embeddings, lengths), answers)

    def branch_logits(
        self, prompts: Tensor, lengths: Tensor, branches: Tensor, branch_lengths: Tensor, answers: Tensor
    ) -> Tensor:
        if can_branch(self._causal_lm.config) and not self.sharded:  # it reads as often as the prompts want
            states = branch_states(self._causal_lm, prompts, lengths, branches, branch_lengths)
            return self._answers(states, answers)
        whole, ends = each_branch(prompts, lengths, branches, branch_lengths)
        return self.next_logits(whole, ends, answers).view(*branch_lengths.shape, -1)

    def _answers(self, states: Tensor, answers: Tensor) -> Tensor:
        """[..., D] -> [..., A]: only the rows of the output matrix that are asked for are computed."""
        output = self._causal_lm.get_output_embeddings()
        bias = getattr(output, "bias", None)
        return F.linear(states, output.weight[answers], None if bias is None else bias[answers]).float()

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """-> [n, D] float32, on the CPU, by the model as it was loaded: without its LoRA, trained or not.

        The beginning-of-text token is read but not averaged, since its state is the same for every text.
        """
        decoder = self._causal_lm.get_decoder()
        reader = TextReader(
            encode=self._encode,
            states=lambda tokens, _: decoder(input_ids=tokens, use_cache=False).last_hidden_state,
            width=self.width,
            device=str(self._causal_lm.get_input_embeddings().weight.device),
            pooling=self._embed.pooling,
            normalise=self._embed.normalise,
            batch_tokens=self._embed.batch_tokens,
            opening=len(self.tokenizer.start),
        )
        with self.lora.off() if self.lora else contextlib.nullcontext():
            return embed_texts(texts, reader, self._cache)

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        longest = min(self._embed.max_tokens, self.context)
        return [ids[:longest] for ids in self.tokenizer.openings([self._embed.prefix + text for text in texts])]

    def save_merged(self, folder: Path) -> None:
        model = self.model.merge_and_unload() if self.lora else self._causal_lm
        model.save_pretrained(str(folder))
        self._tokens.save_pretrained(str(folder))

    @property
    def end(self) -> int:
        return end_token(self._tokens)

    def read(self, embeddings: Tensor, lengths: Tensor) -> ReadPrompts:
        return ReadPrompts(model=self._causal_lm, embeddings=embeddings, lengths=lengths)

    def logits(self, states: Tensor) -> Tensor:
        return token_logits(self._causal_lm, states)


def build(settings: LlamaSettings, context: BuildContext) -> LlamaBackbone:
    return load(
        settings.model,
        revision=settings.revision,
        dtype=settings.dtype,
        quantise=settings.quantise,
        shard=settings.shard and context.together and processes.count() > 1,
        lora=settings.lora,
        embed=settings.embed,
        cache=context.cache,
        device=context.device,
    )


def load(
    model: str,
    *,
    lora: LoRASettings | None,
    device: str,
    revision: str | None = None,
    dtype: str = "auto",
    quantise: str = "none",
    shard: bool = False,
    embed: EmbedSettings = EmbedSettings(),  # noqa: B008
    cache: Path | None = None,
) -> LlamaBackbone:
    """Load tokenizer and weights, all of them or none. `cache` keeps text vectors."""
    how = four_bit(device) if quantise == "4bit" else {"dtype": precision(dtype, device)}
    disable_progress_bar()  # of reading files; downloads have their own
    folder = find_folder(model, revision, hint="Or run small:  srl run recipes/dual_stage_cpu.toml\n")
    check_folder(folder)
    try:
        config = AutoConfig.from_pretrained(str(folder))
        tokenizer = AutoTokenizer.from_pretrained(str(folder), use_fast=True)
        read = load_share if shard else AutoModelForCausalLM.from_pretrained
        loaded, report = read(str(folder), config=config, use_safetensors=True, output_loading_info=True, **how)
    except UNREADABLE as error:
        raise ModelError(f"cannot load the model in {model}: {first_line(error)}") from error
    check_report(report, model)
    about = embed.model_dump(exclude={"batch_tokens"}) | {"dtype": str(how["dtype"]), "quantise": quantise}
    backbone = LlamaBackbone(
        model=ready_for_lora(loaded) if lora and quantise == "4bit" else loaded,
        tokenizer=tokenizer,
        lora=lora,
        embed=embed,
        cache=VectorCache(cache=cache, model=folder, about=about) if cache else None,
        source=folder,
        shard=shard,
    ).to(device)
    check_answers(backbone, config)
    return backbone
