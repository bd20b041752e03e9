"""Checkpoints of a stage: trained parts, optimiser, progress. Written whole, verified before use, oldest pruned."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sasrec_llm.durable import new_folder, read_json, remove_folder, verify, write_json
from sasrec_llm.errors import DamagedError
from sasrec_llm.interfaces import Part

log = logging.getLogger(__name__)
KEEP = 2


@dataclass(slots=True)
class Progress:
    """Where a stage is. `stale` counts epochs since the best one."""

    identity: str
    epoch: int = 0  # finished epochs
    best: float | None = None
    best_epoch: int = 0
    stale: int = 0
    stopped: bool = False
    seconds: float = 0.0

    def facts(self) -> dict[str, Any]:
        """What is kept of a stage's course."""
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "epochs": self.epoch,
            "stopped_early": self.stopped,
            "seconds": round(self.seconds, 3),
        }


def save(folder: Path, parts: Mapping[str, Part], optimiser: torch.optim.Optimizer, progress: Progress) -> None:
    """Publish `folder/epoch-NNNN` and leave the newest two."""
    with new_folder(folder / f"epoch-{progress.epoch:06d}") as draft:
        for name, part in parts.items():
            save_file(
                {key: tensor.contiguous() for key, tensor in part.state_dict().items()}, draft / f"{name}.safetensors"
            )
        save_file(_flat(optimiser.state_dict()["state"]), draft / "optimiser.safetensors")
        write_json(draft / "progress.json", asdict(progress))
    for old in sorted(folder.glob("epoch-*"))[:-KEEP]:
        remove_folder(old)


def resume(folder: Path, parts: Mapping[str, Part], optimiser: torch.optim.Optimizer, identity: str) -> Progress | None:
    """Continue from the newest checkpoint that is whole and of this identity; None when there is none."""
    for found in sorted(folder.glob("epoch-*"), reverse=True):
        try:
            verify(found)
        except DamagedError as error:
            log.warning("%s; trying an older checkpoint", error)
            continue
        progress = Progress(**read_json(found / "progress.json"))
        if progress.identity != identity:
            continue
        for name, part in parts.items():
            part.load_state_dict(load_file(found / f"{name}.safetensors"))
        state = optimiser.state_dict()
        state["state"] = _nested(load_file(found / "optimiser.safetensors"))
        optimiser.load_state_dict(state)
        return progress
    shutil.rmtree(folder, ignore_errors=True)  # what is left belongs to another stage, or is damaged
    return None


def _flat(state: Mapping[int, Mapping[str, Any]]) -> dict[str, Tensor]:
    return {f"{index}.{key}": value.contiguous() for index, entry in state.items() for key, value in entry.items()}


def _nested(flat: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    nested: dict[int, dict[str, Tensor]] = {}
    for name, value in flat.items():
        index, key = name.split(".", 1)
        nested.setdefault(int(index), {})[key] = value
    return nested
