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

from sasrec_llm import processes
from sasrec_llm.durable import new_folder, read_json, remove_folder, verify, write_json
from sasrec_llm.errors import DamagedError
from sasrec_llm.interfaces import Part

log = logging.getLogger(__name__)
KEEP = 2


@dataclass(slots=True)
class Progress:
    """Where a stage is. `stale` counts epochs since the best one."""

    identity: str
    epoch: int = 0  # finished epochs, validated
    step: int = 0  # finished steps of all epochs
    best: float | None = None
    best_epoch: int = 0
    stale: int = 0
    stopped: bool = False
    clipped: int = 0  # steps whose gradient was longer than the stage allows
    seconds: float = 0.0

    def facts(self) -> dict[str, Any]:
        """What is kept of a stage's course."""
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "epochs": self.epoch,
            "stopped_early": self.stopped,
            "clipped_steps": self.clipped,
            "seconds": round(self.seconds, 3),
        }


def best(folder: Path, epoch: int) -> Path:
    """Where the parts are that were the best when that epoch ended. Never overwritten while a checkpoint needs them."""
    return folder / "best" / f"{epoch:06d}"


class Checkpoints:
    """Of one stage, in `folder/checkpoints/<epochs>-<steps>`."""

    def __init__(self, folder: Path, parts: Mapping[str, Part], optimiser: torch.optim.Optimizer) -> None:
        self._folder = folder
        self._parts = parts
        self._optimiser = optimiser

    def save(self, progress: Progress) -> None:
        """Publish one, and leave the newest two and what was best at either. Of several processes the first does."""
        if not processes.first():
            return
        with new_folder(self._folder / "checkpoints" / f"{progress.epoch:06d}-{progress.step:09d}") as draft:
            for name, part in self._parts.items():
                state = {key: tensor.contiguous() for key, tensor in part.state_dict().items()}
                save_file(state, draft / f"{name}.safetensors")
            save_file(_flat(self._optimiser.state_dict()["state"]), draft / "optimiser.safetensors")
            write_json(draft / "progress.json", asdict(progress))
        for found in self._all()[:-KEEP]:
            remove_folder(found)
        needed = {best(self._folder, _progress(found).best_epoch) for found in self._all()}
        for found in (self._folder / "best").glob("[0-9]*"):
            if found not in needed:
                remove_folder(found)

    def resume(self, identity: str) -> Progress | None:
        """Continue from the newest checkpoint that is whole and of this identity; None when there is none."""
        name = processes.lead(lambda: self._usable(identity))
        if name is None:
            return None
        found = self._folder / "checkpoints" / name
        for part_name, part in self._parts.items():
            part.load_state_dict(load_file(found / f"{part_name}.safetensors"))
        state = self._optimiser.state_dict()
        state["state"] = _nested(load_file(found / "optimiser.safetensors"))
        self._optimiser.load_state_dict(state)
        return _progress(found)

    def _usable(self, identity: str) -> str | None:
        for found in reversed(self._all()):
            try:
                verify(found)
                progress = _progress(found)
                if progress.identity != identity:
                    continue
                if progress.best is not None:
                    verify(best(self._folder, progress.best_epoch))
            except DamagedError as error:
                log.warning("%s; trying an older checkpoint", error)
                continue
            return found.name
        for folder in ("checkpoints", "best"):  # what is left belongs to another stage, or is damaged
            shutil.rmtree(self._folder / folder, ignore_errors=True)
        return None

    def newest(self) -> str:
        return str(self._all()[-1]) if self._all() else ""

    def _all(self) -> list[Path]:
        return sorted((self._folder / "checkpoints").glob("[0-9]*"))


def _progress(checkpoint: Path) -> Progress:
    return Progress(**read_json(checkpoint / "progress.json"))


def _flat(state: Mapping[int, Mapping[str, Any]]) -> dict[str, Tensor]:
    return {f"{index}.{key}": value.contiguous() for index, entry in state.items() for key, value in entry.items()}


def _nested(flat: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    nested: dict[int, dict[str, Tensor]] = {}
    for name, value in flat.items():
        index, key = name.split(".", 1)
        nested.setdefault(int(index), {})[key] = value
    return nested
