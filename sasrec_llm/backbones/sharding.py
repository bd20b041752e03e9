"""The frozen layers of a language model, divided over the processes of a run (FSDP2).

A layer is whole, on every process, while it computes. LoRA stays whole, and so does what is around the layers: the
embeddings, the last norm and the output matrix, of which single rows are read.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.distributed
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from sasrec_llm import processes
from sasrec_llm.backbones.families import TESTED, is_tested
from sasrec_llm.errors import ModelError


def is_sharded(decoder: object) -> bool:
    return isinstance(decoder, FSDPModule)


def load_share(folder: str, *, config: Any, **options: Any) -> tuple[nn.Module, Any]:
    """The whole model in the first process; in the others all but the values of its layers, which they are told."""
    if not is_tested(config):
        raise ModelError(
            f"models of the family {config.model_type!r} cannot be sharded: where their layers are is not known here",
            hint=f"Take a model of one of these families: {', '.join(TESTED)}",
        )
    load = AutoModelForCausalLM.from_pretrained if processes.first() else load_without_layers
    return load(folder, config=config, **options)


def load_without_layers(folder: str, *, config: Any, dtype: torch.dtype, **options: Any) -> tuple[nn.Module, Any]:
    """Layers that have shapes and no values."""
    bare = copy.deepcopy(config)
    bare.num_hidden_layers = 0
    if getattr(bare, "layer_types", None):
        bare.layer_types = []
    told = logging.get_verbosity()
    logging.set_verbosity_error()  # that there are layers in the files
    try:
        found, report = AutoModelForCausalLM.from_pretrained(folder, config=bare, dtype=dtype, **options)
    finally:
        logging.set_verbosity(told)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    for name, module in found.get_decoder().named_children():
        if name != "layers":
            setattr(model.get_decoder(), name, module)
    model.set_output_embeddings(found.get_output_embeddings())
    return model, report


def shard_layers(decoder: Any, device: str) -> None:
    """All processes at once: layer by layer each is told the first's and keeps its share. One is whole at a time."""
    with processes.connected():
        # A group of its own: DDP's calls come in between, and not in the same places everywhere.
        group = torch.distributed.new_group(timeout=processes.PATIENCE)
        mesh = DeviceMesh.from_group(group, torch.device(device).type)
        for layer in decoder.layers:
            if next(layer.parameters()).is_meta:
                layer.to_empty(device=device)
            layer.to(device)
            for weight in layer.state_dict().values():
                torch.distributed.broadcast(weight, src=0, group=group)
            lora = {weight for name, weight in layer.named_parameters() if "lora_" in name}
            fully_shard(layer, mesh=mesh, ignored_params=lora)
        fully_shard(decoder, mesh=mesh, ignored_params=set(decoder.parameters()))  # all that is not in a layer


def reads_behind(decoder: Any, count: int) -> int:
    """How many more times another process reads: a layer is gathered by all or by none, in the backward pass too.

    Only to learn are the processes asked different things."""
    return max(processes.gather(count)) - count if is_sharded(decoder) and torch.is_grad_enabled() else 0
