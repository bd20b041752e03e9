"""Files that are either whole or absent, and folders whose bytes can be checked.

A folder is written beside its place, every file is hashed into MANIFEST.json and synced, then one rename publishes it.
safetensors has no checksum of its own, so the manifest is what tells a flipped bit.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sasrec_llm.errors import DamagedError

MANIFEST = "MANIFEST.json"
DRAFT = ".tmp-"


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest(value: Any) -> str:
    """Hash of a JSON value, the same for the same content."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as draft:
        draft.write_bytes(content)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Write the yielded file; on success it takes the place of `path`, on failure nothing has changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{DRAFT}{path.name}~")
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
        sync(draft)
        draft.chmod(0o644)
        os.replace(draft, path)
        sync(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, default=str) + "\n")


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedError(f"{path} is not JSON: {error}") from error


@contextlib.contextmanager
def new_folder(path: Path, hashes: Mapping[str, str] | None = None) -> Iterator[Path]:
    """Write into the yielded folder; on success it takes the place of `path`, on failure nothing has changed.

    `hashes`, which may be filled meanwhile, are of files that need not be read again for it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=f"{DRAFT}{path.name}~"))
    try:
        yield draft
        write_manifest(draft, hashes or {})
        draft.chmod(0o755)
        if path.exists():
            exchange(draft, path)
        else:
            os.rename(draft, path)
        sync(path.parent)
    finally:  # what is left of a failure, or of what was there before
        shutil.rmtree(draft, ignore_errors=True)


def exchange(one: Path, other: Path) -> None:
    """Swap two folders in one step where the system can (Linux), else in two."""
    if sys.platform == "linux":
        rename = getattr(ctypes.CDLL(None), "renameat2", None)
        here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
        if rename and rename(here, os.fsencode(one), here, os.fsencode(other), swap) == 0:
            return
    away = other.with_name(f"{DRAFT}{other.name}~{os.getpid()}")
    os.rename(other, away)
    os.rename(one, other)
    os.rename(away, one)


def sweep(folder: Path, drafts: str) -> None:
    """Remove what a process that died left half-written. The caller holds the lock of all that the pattern finds."""
    for left in list(folder.glob(drafts)):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def remove_folder(path: Path) -> None:
    """Take a folder away by rename first, so that no half-deleted one is ever found under its name."""
    gone = path.with_name(f"{DRAFT}{path.name}~{os.getpid()}")
    os.rename(path, gone)
    shutil.rmtree(gone)


def write_manifest(folder: Path, hashes: Mapping[str, str]) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    for path in files:
        sync(path)
    names = {str(path.relative_to(folder)): path for path in files}
    manifest = {name: hashes.get(name) or sha256(path) for name, path in names.items()}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    sync(folder / MANIFEST)
    sync(folder)


def verify(folder: Path) -> None:
    """Raise `DamagedError` unless every file is there with the bytes it was written with."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise DamagedError(f"{folder} has no {MANIFEST}: it was not written by srl, or not to the end")
    for name, expected in read_json(manifest).items():
        if not (folder / name).is_file():
            raise DamagedError(f"{folder / name} is missing")
        if sha256(folder / name) != expected:
            raise DamagedError(f"{folder / name} is damaged: its bytes are not those that were written")
