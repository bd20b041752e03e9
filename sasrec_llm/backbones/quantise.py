"""Weights in four bits (QLoRA, arXiv 2305.14314): NF4, quantised twice, computed in bf16."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from peft import prepare_model_for_kbit_training
from transformers import BitsAndBytesConfig

from sasrec_llm.errors import ModelError


def four_bit(device: str) -> dict[str, Any]:
    """Arguments for `from_pretrained`, or an error before anything is loaded."""
    if device != "cuda" or not torch.cuda.is_available():
        raise ModelError(
            f"backbone.quantise = '4bit' needs a CUDA GPU; this run is on {device}",
            hint="--set backbone.quantise=none",
        )
    if find_spec("bitsandbytes") is None:
        raise ModelError(
            "backbone.quantise = '4bit' needs bitsandbytes, which is not installed",
            hint="pip install bitsandbytes\nOr: --set backbone.quantise=none",
        )
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": config, "device_map": {"": device}, "dtype": torch.bfloat16}


def ready_for_lora(model: Any) -> Any:
    """Norms, embeddings and output in fp32, which an adapter on four-bit weights needs to learn well."""
    return prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
