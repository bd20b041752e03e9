"""Text vectors on disk, one row a text: what was embedded once is not embedded again.

A folder for each (model, settings). Every call that embeds adds files of its own, named by the SHA-256 of their bytes:
two processes cannot disturb each other, and a flipped bit shows when the file is read.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from sasrec_llm.backbones.model_files import model_hash
from sasrec_llm.durable import digest, write_bytes

log = logging.getLogger(__name__)
LAYOUT = 1  # raise when the way vectors are made changes, so that cached ones are made anew
TEXTS_PER_FILE = 4096  # also what is lost when embedding is interrupted


class VectorCache:
    def __init__(self, *, cache: Path, model: Path, about: Mapping[str, Any]) -> None:
        """`about` is all that decides the vectors besides the files of the model folder."""
        self._cache, self._model, self._about = cache, model, about

    @functools.cached_property
    def folder(self) -> Path:
        """Hashing a large model takes seconds, so it waits until somebody asks."""
        key = digest([LAYOUT, model_hash(self._model), self._about, version("transformers")])
        return self._cache / "text-vectors" / key[:32]

    def fill(self, texts: Sequence[str], width: int, compute: Callable[[Sequence[str]], Tensor]) -> Tensor:
        """Vectors [n, width] of n different texts, computing those that are not known."""
        rows = {key_of(text): row for row, text in enumerate(texts)}
        vectors = torch.zeros(len(texts), width)
        for keys, stored in self._files(width):
            wanted = [(rows.pop(key), at) for at, key in enumerate(keys) if key in rows]
            if wanted:
                into, at = torch.tensor(wanted).T
                vectors[into] = stored[at]
        missing = list(rows.values())
        for start in range(0, len(missing), TEXTS_PER_FILE):
            some = missing[start : start + TEXTS_PER_FILE]
            chosen = [texts[row] for row in some]
            vectors[some] = compute(chosen)
            self._add(chosen, vectors[some])
        return vectors

    def _add(self, texts: Sequence[str], vectors: Tensor) -> None:
        keys = torch.frombuffer(bytearray(b"".join(map(key_of, texts))), dtype=torch.uint8).view(-1, 32)
        content = save({"keys": keys, "vectors": vectors.contiguous()})
        write_bytes(self.folder / f"{hashlib.sha256(content).hexdigest()}.safetensors", content)

    def _files(self, width: int) -> Iterator[tuple[list[bytes], Tensor]]:
        for path in sorted(self.folder.glob("*.safetensors")):
            try:
                content = path.read_bytes()
            except FileNotFoundError:  # another process found it damaged
                continue
            if hashlib.sha256(content).hexdigest() != path.stem:
                log.warning("%s is damaged: its texts are embedded again", path)
                path.unlink(missing_ok=True)
                continue
            found = load(content)
            packed = found["keys"].numpy().tobytes()
            if found["vectors"].shape[1] == width:
                yield [packed[at : at + 32] for at in range(0, len(packed), 32)], found["vectors"]


def key_of(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
