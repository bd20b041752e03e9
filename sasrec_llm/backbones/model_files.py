"""A model on disk: found, checked before it is read, and hashed."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from safetensors import SafetensorError

from sasrec_llm.durable import MANIFEST, digest, sha256
from sasrec_llm.errors import ModelError

READ = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]
UNREAD = ["onnx/*", "openvino/*", "original/*", "consolidated*"]  # the same weights once more, for other programs


UNREADABLE = (OSError, ValueError, ImportError, SafetensorError)  # what transformers raises where files do not fit


def find_folder(model: str, revision: str | None, *, hint: str = "") -> Path:
    """The folder of a model: itself, or the local copy of a hub repository, fetched where it is not there yet."""
    folder = Path(model)
    if folder.exists():
        return folder
    if model.startswith(("/", "./", "../", "~")):
        raise ModelError(f"there is no model folder {model}", hint="Give one: --set backbone.model=PATH")
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=READ, ignore_patterns=UNREAD))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{model} is not in the local cache and the hub cannot be reached, or has no such model.",
            hint=f"Give a folder: --set backbone.model=PATH\n{hint}The hub said:  {first_line(error)}",
        ) from error


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


def check_report(report: dict[str, set[str]], model: str, unused: tuple[str, ...] = ()) -> None:
    """Every weight that the config asks for was in the files. `unused` names modules that may be new."""
    lost = sorted(key for key in report["missing_keys"] if not key.startswith(unused))
    lost += sorted(str(key) for key in report["mismatched_keys"])
    if lost:
        raise ModelError(
            f"the weights of {model} do not fit its config.json: {', '.join(lost[:3])} ({len(lost)} in all)"
        )


def copy_model(source: Path, to: Path) -> None:
    """Every file that is read of a model folder; those of a hub's cache are links."""
    unread = tuple(pattern.split("/")[0].rstrip("*") for pattern in UNREAD)
    for path in sorted({path for pattern in READ for path in source.rglob(pattern) if path.is_file()}):
        name = path.relative_to(source)
        if path.name != MANIFEST and not str(name).startswith(unread):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to / name)


def precision(dtype: str, device: str) -> torch.dtype:
    half = dtype == "bf16" or (dtype == "auto" and device == "cuda" and torch.cuda.is_bf16_supported())
    return torch.bfloat16 if half else torch.float32


def model_hash(folder: Path) -> str:
    """Hash of every file that decides what the model answers: weights, configuration, tokenizer."""
    files = {path for pattern in READ for path in folder.rglob(pattern) if path.is_file() and path.name != MANIFEST}
    return digest({str(path.relative_to(folder)): _hash_of(path, *_stamp(path)) for path in files})


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


@functools.cache
def _hash_of(path: Path, size: int, changed: int) -> str:
    return sha256(path)


def first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
