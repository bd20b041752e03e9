"""Any Llama-family causal language model, from a folder or from the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from sasrec_llm.backbones.lora import LoRA, add_lora
from sasrec_llm.backbones.settings import LlamaSettings, LoRASettings
from sasrec_llm.backbones.text import PieceTokenizer
from sasrec_llm.backbones.writing import ReadPrompts, end_token, token_logits
from sasrec_llm.components import BuildContext
from sasrec_llm.errors import ModelError


class LlamaBackbone(nn.Module):
    """A frozen language model that reads embeddings and answers at the last position.

    Prompts are padded on the right and no mask is given: attention is causal, so what follows the last real token
    cannot reach it, and a row's score does not depend on its batch.
    """

    def __init__(self, *, model: nn.Module, tokenizer: Any, lora: LoRASettings | None) -> None:
        super().__init__()
        model.requires_grad_(False)
        self.model: Any = add_lora(model, lora) if lora else model
        self._causal_lm: Any = model
        self.tokenizer = PieceTokenizer(tokenizer)
        self.width: int = model.config.hidden_size  # type: ignore[union-attr, assignment]
        self.context: int = model.config.max_position_embeddings  # type: ignore[union-attr, assignment]
        self._lora = LoRA(self.model) if lora else None
        self._tokens = tokenizer
        self.eval()

    @property
    def lora(self) -> LoRA | None:
        return self._lora

    @property
    def embedding_scale(self) -> float:
        return float(self._causal_lm.get_input_embeddings().weight.detach().float().std())

    def embed(self, tokens: Tensor) -> Tensor:
        return self._causal_lm.get_input_embeddings()(tokens)  # type: ignore[no-any-return]

    def next_logits(self, embeddings: Tensor, lengths: Tensor, answers: Tensor) -> Tensor:
        """[B, L, D] -> [B, A]: only the rows of the output matrix that are asked for are computed."""
        states = self._causal_lm.get_decoder()(inputs_embeds=embeddings, use_cache=False).last_hidden_state
        last = states[torch.arange(len(states), device=states.device), lengths - 1]  # [B, D]
        return F.linear(last, self._causal_lm.get_output_embeddings().weight[answers]).float()

    @property
    def end(self) -> int:
        return end_token(self._tokens)

    def read(self, embeddings: Tensor, lengths: Tensor) -> ReadPrompts:
        return ReadPrompts(model=self._causal_lm, embeddings=embeddings, lengths=lengths)

    def logits(self, states: Tensor) -> Tensor:
        return token_logits(self._causal_lm, states)


def build(settings: LlamaSettings, context: BuildContext) -> LlamaBackbone:
    return load(
        settings.model, revision=settings.revision, dtype=settings.dtype, lora=settings.lora, device=context.device
    )


def load(
    model: str, *, lora: LoRASettings | None, device: str, revision: str | None = None, dtype: str = "auto"
) -> LlamaBackbone:
    """Load tokenizer and weights, all of them or none."""
    disable_progress_bar()  # of reading files; downloads have their own
    folder = Path(model)
    if folder.exists():
        check_folder(folder)
    elif model.startswith(("/", "./", "../", "~")):
        raise ModelError(f"there is no model folder {model}", hint="Give one: --set backbone.model=PATH")
    half = dtype == "bf16" or (dtype == "auto" and device == "cuda" and torch.cuda.is_bf16_supported())
    try:
        config = AutoConfig.from_pretrained(model, revision=revision)
        tokenizer = AutoTokenizer.from_pretrained(model, revision=revision, use_fast=True)
        loaded, report = AutoModelForCausalLM.from_pretrained(
            model,
            config=config,
            revision=revision,
            dtype=torch.bfloat16 if half else torch.float32,
            attn_implementation="sdpa",
            use_safetensors=True,
            output_loading_info=True,
        )
    except (OSError, ValueError) as error:
        if folder.exists():
            raise ModelError(f"cannot load the model in {model}: {first_line(error)}") from error
        raise ModelError(
            f"{model} is not in the local cache and the hub cannot be reached, or has no such model.",
            hint=f"Give a folder: --set backbone.model=PATH\nOr run small:  srl run recipes/dual_stage_cpu.toml"
            f"\nThe hub said:  {first_line(error)}",
        ) from error
    lost = sorted(report["missing_keys"]) + sorted(str(key) for key in report["mismatched_keys"])
    if lost:
        raise ModelError(
            f"the weights of {model} do not fit its config.json: {', '.join(lost[:3])} ({len(lost)} in all)"
        )
    return LlamaBackbone(model=loaded, tokenizer=tokenizer, lora=lora).to(device)


def check_folder(folder: Path) -> None:
    missing = [name for name in ("config.json", "tokenizer_config.json") if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"{folder} is not a model folder: {' and '.join(missing)} missing")
    if not any(folder.glob("*.safetensors")):
        foreign = sorted(found.name for found in folder.glob("*.bin"))
        if foreign:
            raise ModelError(
                f"{folder} has its weights in {foreign[0]}, which can run code when loaded; only safetensors are read",
                hint="Convert them once where you trust them: model.save_pretrained(PATH, safe_serialization=True)",
            )
        raise ModelError(f"{folder} has no weights: no *.safetensors file in it")


def first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
