"""Settings of the built-in backbones."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sasrec_llm.components import Settings

Projection = Literal["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class LoRASettings(Settings):
    """W + (alpha / r) · B A, as TALLRec sets it."""

    r: int = Field(8, ge=1)
    alpha: float = Field(16.0, gt=0)
    dropout: float = Field(0.05, ge=0, lt=1)
    targets: list[Projection] = Field(["q_proj", "v_proj"], min_length=1)


class LlamaSettings(Settings):
    """Any Llama."""

    model: str = Field(description="folder of a Llama-family model, or its id on the Hugging Face hub")
    revision: str | None = Field(None, description="commit of the hub repository; pin it to be reproducible")
    dtype: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 on a GPU that has it")
    lora: LoRASettings | None = LoRASettings()


class TinyLlamaPresetSettings(LlamaSettings):
    """TinyLlama-1.1B, the backbone of the SASRecLLM paper."""

    model: str = "TinyLlama/TinyLlama-1.1B-Chat-v1.0"


class BuiltInLlamaSettings(Settings):
    """A small Llama made on this machine: its tokenizer and its weights are trained on the item texts."""

    width: int = Field(128, ge=8, description="D")
    layers: int = Field(3, ge=1)
    heads: int = Field(4, ge=1)
    vocabulary: int = Field(4096, ge=300)
    context: int = Field(512, ge=64, description="longest prompt in tokens")
    pretrain_steps: int = Field(300, ge=0, description="steps of 16 texts of 128 tokens")
    pretrain_lr: float = Field(2e-3, gt=0)
    lora: LoRASettings | None = LoRASettings()

    @model_validator(mode="after")
    def _even_heads(self) -> BuiltInLlamaSettings:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} must be a multiple of twice the heads {self.heads}")
        return self
