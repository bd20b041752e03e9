"""Settings of the built-in backbones."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from sasrec_llm.components import Settings

DType = Literal["auto", "fp32", "bf16"]
AS_DTYPE = "auto: bf16 on a GPU that has it; for a CPU `srl doctor` says whether bf16 is faster"
AS_BATCH = "tokens read at once, padding included; default 1,024 on a CPU, where more leave the cache, 8,192 elsewhere"
AS_SHARD = "the layers over the processes of --nproc, for a model that one GPU cannot hold (FSDP2)"
AS_PREFIX = "put before every text, such as 'query: ' for the e5 models"


class LoRASettings(Settings):
    """W + (alpha / r) · B A, as TALLRec sets it."""

    r: int = Field(8, ge=1)
    alpha: float = Field(16.0, gt=0)
    dropout: float = Field(0.05, ge=0, lt=1)
    targets: list[str] = Field(
        ["q_proj", "v_proj"], min_length=1, description="names of linear layers, as the model's family calls them"
    )


class EmbedSettings(Settings):
    """How a causal model turns a text into a vector."""

    pooling: Literal["mean", "last"] = Field("mean", description="over the last layer's states of the text's tokens")
    normalise: bool = Field(False, description="to length 1")
    max_tokens: int = Field(512, ge=1, description="what follows in a longer text is not read")
    batch_tokens: int | None = Field(None, ge=1, description=AS_BATCH)
    prefix: str = Field("", description=AS_PREFIX)


class LlamaSettings(Settings):
    """Any Llama, and any other causal language model: Qwen, Mistral, SmolLM."""

    of_place: ClassVar[frozenset[str]] = frozenset({"shard"})
    model: str = Field(description="folder of a causal language model, or its id on the Hugging Face hub")
    revision: str | None = Field(None, description="commit of the hub repository; pin it to be reproducible")
    dtype: DType = Field("auto", description=AS_DTYPE)
    quantise: Literal["none", "4bit"] = Field(
        "none", description="4bit: NF4 weights, computed in bf16; needs a CUDA GPU and bitsandbytes"
    )
    shard: bool = Field(False, description=AS_SHARD)
    lora: LoRASettings | None = LoRASettings()
    embed: EmbedSettings = EmbedSettings()

    @model_validator(mode="after")
    def _either_shards_or_bits(self) -> LlamaSettings:
        if self.shard and self.quantise != "none":
            raise ValueError("4-bit weights cannot be sharded: quantise or shard, not both")
        return self


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
    embed: EmbedSettings = EmbedSettings()

    @model_validator(mode="after")
    def _even_heads(self) -> BuiltInLlamaSettings:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} must be a multiple of twice the heads {self.heads}")
        return self


class SentenceEncoderSettings(Settings):
    """A sentence-transformers model, or any encoder of the Hugging Face hub. `auto` is what the model's folder says."""

    model: str = Field(description="folder of the encoder, or its id on the Hugging Face hub")
    revision: str | None = Field(None, description="commit of the hub repository; pin it to be reproducible")
    dtype: DType = Field("auto", description=AS_DTYPE)
    pooling: Literal["auto", "mean", "last", "cls"] = Field("auto", description="mean where the folder does not say")
    normalise: Literal["auto"] | bool = Field("auto", description="to length 1; false where the folder does not say")
    max_tokens: int | None = Field(None, ge=2, description="none: as long as the model reads")
    batch_tokens: int | None = Field(None, ge=1, description=AS_BATCH)
    prefix: str = Field("", description=AS_PREFIX)
