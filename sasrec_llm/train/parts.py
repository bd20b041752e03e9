"""A part as a folder: `component.json` and safetensors, or a plain PEFT adapter for LoRA.

What does not fit exactly, name by name and shape by shape, is not loaded; only sparse matrices may be of any length.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from sasrec_llm.backbones.lora import LoRA, exact
from sasrec_llm.durable import MANIFEST, digest, read_json, sha256, verify, write_json
from sasrec_llm.encoders.sparse import growing
from sasrec_llm.errors import DamagedError, RunError
from sasrec_llm.interfaces import Part

COMPONENT, WEIGHTS = "component.json", "model.safetensors"


def save_part(folder: Path, part: Part, about: dict[str, Any]) -> None:
    """`about` says what the weights are of: the section's settings and the size of the data."""
    folder.mkdir(parents=True)
    if isinstance(part, LoRA):
        part.save(folder)
    else:
        save_file({name: tensor.contiguous() for name, tensor in part.state_dict().items()}, folder / WEIGHTS)
    write_json(folder / COMPONENT, about)


def load_part(folder: Path, part: Part, about: dict[str, Any]) -> None:
    """Load exactly or not at all. A LoRA folder may come from elsewhere; other parts must be of the same component."""
    if not folder.is_dir():
        raise RunError(
            f"there is no part in {folder}", hint="A part is a folder such as runs/RUN/stages/STAGE/result/NAME"
        )
    if (folder / MANIFEST).is_file():
        verify(folder)
    try:
        if isinstance(part, LoRA):
            part.load(folder)
            return
        for name in (COMPONENT, WEIGHTS):
            if not (folder / name).is_file():
                raise DamagedError(f"{folder} is not a part: {name} is missing")
        saved = read_json(folder / COMPONENT)
        for key, wanted in about.items():
            if not same(saved.get(key), wanted):
                raise DamagedError(f"{folder} was not loaded: its {key} is {saved.get(key)}, here it is {wanted}")
        weights = load_file(folder / WEIGHTS)
    except SafetensorError as error:
        raise DamagedError(f"{folder} is damaged: {error}") from error
    mine, free = dict(part.state_dict()), growing(part)
    for name in free & weights.keys():
        mine[name] = mine[name].new_empty(weights[name].numel())
    exact(mine, weights, str(folder))
    part.load_state_dict(weights)


def same(saved: Any, wanted: Any) -> bool:
    """Settings that an older srl did not have cannot have changed what it saved."""
    if isinstance(saved, dict) and isinstance(wanted, dict):
        return all(key in wanted and same(value, wanted[key]) for key, value in saved.items())
    return bool(saved == wanted)


def fingerprint(folder: Path) -> str:
    """What a part folder holds, as a hash."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return digest({str(path.relative_to(folder)): sha256(path) for path in files})
