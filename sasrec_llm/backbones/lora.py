"""The LoRA adapter of a backbone as a part of its own: a plain PEFT adapter folder on disk."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from sasrec_llm.backbones.settings import LoRASettings
from sasrec_llm.dropout import Dropout
from sasrec_llm.durable import read_json
from sasrec_llm.errors import DamagedError, ModelError
from sasrec_llm.plugins import suggestion

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def add_lora(model: nn.Module, settings: LoRASettings) -> PeftModel:
    check_targets(model, settings.targets)
    config = LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=list(settings.targets),
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():  # peft asks transformers in a way that transformers deprecates
        warnings.simplefilter("ignore", FutureWarning)
        tuned = get_peft_model(model, config)
    for module in tuned.modules():
        if isinstance(module, LoraLayer):
            module.lora_dropout.update({name: Dropout(settings.dropout) for name in module.lora_dropout})
    return tuned


def check_targets(model: Any, targets: Sequence[str]) -> None:
    """Every name must be a linear layer of this model; peft is content if one of them is."""
    output = model.get_output_embeddings()
    linear = {
        name.rpartition(".")[2]: None
        for name, module in model.named_modules()
        if isinstance(module, (nn.Linear, Conv1D)) and module is not output
    }
    for target in targets:
        if target not in linear:
            family = model.config.model_type
            raise ModelError(
                f"this {family} model has no layer {target!r} for LoRA{suggestion(target, list(linear))}; "
                f"it has: {', '.join(linear)}",
                hint=f"--set 'backbone.lora.targets={json.dumps(list(linear)[:1])}'",
            )


class LoRA:
    """The adapter's parameters, and nothing else of the model that carries them."""

    def __init__(self, model: PeftModel) -> None:
        self._model = model

    def parameters(self) -> Iterator[nn.Parameter]:
        return (weight for name, weight in self._model.named_parameters() if "lora_" in name)

    def state_dict(self) -> Mapping[str, Tensor]:
        return get_peft_model_state_dict(self._model, save_embedding_layers=False)  # type: ignore[no-any-return]

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        set_peft_model_state_dict(self._model, dict(state_dict))

    def train(self, mode: bool = True) -> None:
        """LoRA's own dropout; the model's other dropouts stay off."""
        for name, module in self._model.named_modules():
            if "lora_dropout" in name:
                module.train(mode)

    def to(self, device: str) -> None:
        self._model.to(device)

    @contextlib.contextmanager
    def off(self) -> Iterator[None]:
        """The model as it is without the adapter. peft unfreezes an adapter that it switches on again; what was frozen
        stays frozen here."""
        learns = [(weight, weight.requires_grad) for weight in self.parameters()]
        try:
            with self._model.disable_adapter():
                yield
        finally:
            for weight, wanted in learns:
                weight.requires_grad_(wanted)

    def save(self, folder: Path) -> None:
        self._model.peft_config["default"].save_pretrained(str(folder))
        save_file({name: tensor.contiguous() for name, tensor in self.state_dict().items()}, folder / WEIGHTS)

    def load(self, folder: Path) -> None:
        """Take the weights of an adapter folder, if they are exactly those of this adapter and were trained."""
        for name in (CONFIG, WEIGHTS):
            if not (folder / name).is_file():
                raise DamagedError(f"{folder} is not a LoRA adapter: {name} is missing")
        mine, theirs = self._model.peft_config["default"], read_json(folder / CONFIG)
        for key, wanted in (("r", mine.r), ("lora_alpha", mine.lora_alpha), ("target_modules", mine.target_modules)):
            found = theirs.get(key)
            same = set(found or ()) == set(wanted) if key == "target_modules" else found == wanted
            if not same:
                raise DamagedError(f"the adapter in {folder} has {key} = {found}, the recipe's LoRA has {wanted}")
        weights = load_file(folder / WEIGHTS)
        exact(dict(self.state_dict()), weights, str(folder))
        if not any(torch.count_nonzero(value) for name, value in weights.items() if "lora_B" in name):
            raise DamagedError(f"the adapter in {folder} is untrained: every lora_B is zero")
        self.load_state_dict(weights)


def exact(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor], where: str) -> None:
    """The same names and shapes, or an error that lists what differs."""
    problems = [f"missing {name}" for name in sorted(mine.keys() - theirs.keys())]
    problems += [f"unexpected {name}" for name in sorted(theirs.keys() - mine.keys())]
    problems += [
        f"{name} is {tuple(theirs[name].shape)}, not {tuple(mine[name].shape)}"
        for name in sorted(mine.keys() & theirs.keys())
        if theirs[name].shape != mine[name].shape
    ]
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise DamagedError(f"{where} does not fit and was not loaded: {'; '.join(problems[:5])}{more}")
