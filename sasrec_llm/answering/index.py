"""The best items by an approximate index: of some cells of the catalogue, those nearest to the user, not of all.

`index.safetensors` of an export says which cell every item is in. The vectors are those of the export's parts; faiss
searches them.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sasrec_llm.errors import DamagedError, UsageError
from sasrec_llm.interfaces import Factored, Histories, Recommender
from sasrec_llm.strategies.products import among
from sasrec_llm.strategies.ranking import best

FILE = "index.safetensors"
FEWEST = 39  # items of a cell, on average, from which its centre can be learned


class Searched(Factored, Recommender, Protocol):
    """Scores that are products, of which the largest can be looked for."""


class Index:
    """Of the items of one recommender."""

    def __init__(self, vectors: Tensor, centres: Tensor, cells: Tensor, probed: int) -> None:
        """vectors [N, H] and cells [N] of the items from item 1 on; centres [C, H]; `probed` of the cells are looked
        through for a user."""
        self.centres, self.cells, self.probed = centres, cells.long(), probed
        faiss = load_faiss()
        nearest = faiss.IndexFlatIP(vectors.shape[1])
        nearest.add(centres.numpy())
        self._index = faiss.IndexIVFFlat(nearest, vectors.shape[1], len(centres), faiss.METRIC_INNER_PRODUCT)
        self._index.is_trained = True
        arrays = [vectors.numpy(), torch.arange(1, len(vectors) + 1).numpy(), self.cells.numpy()]
        self._index.add_core(len(vectors), *map(faiss.swig_ptr, arrays))

    def best(self, recommender: Searched, histories: Histories, k: int, seen: Tensor) -> tuple[Tensor, Tensor]:
        """As `ranking.best`; as many more are looked for as were seen. Who finds too few is answered exactly."""
        n_items = len(self.cells)
        users = recommender.factors(histories)[0].float().cpu()
        self._index.nprobe = self.probed
        scores, found = map(torch.from_numpy, self._index.search(users.numpy(), min(k + seen.shape[1], n_items)))
        scores.masked_fill_(among(found, seen.cpu()) | (found < 0), -torch.inf)
        values, places = scores.topk(min(k, n_items), dim=1)
        items = torch.where(torch.isfinite(values), found.gather(1, places), 0)
        few = (items == 0).any(1).nonzero()[:, 0]
        if len(few):
            some = few.to(seen.device)
            items[few], values[few] = (
                part.cpu() for part in best(recommender, histories.pick(some), k, seen[some], n_items)
            )
        return items, values

    def save(self, folder: Path) -> None:
        tensors = {"centres": self.centres, "cells": self.cells.int(), "probed": torch.tensor(self.probed)}
        save_file(tensors, folder / FILE)


def read_index(folder: Path, vectors: Tensor) -> Index:
    """Of an export that anybody may have made: faiss would write wherever a cell that is none of them points to."""
    found = load_file(folder / FILE)
    kinds = {name: (tensor.dtype, tensor.ndim) for name, tensor in found.items()}
    if kinds != {"centres": (torch.float32, 2), "cells": (torch.int32, 1), "probed": (torch.int64, 0)}:
        raise DamagedError(f"{folder / FILE} is no index: it holds {', '.join(sorted(kinds)) or 'nothing'}")
    centres, cells, probed = found["centres"], found["cells"], int(found["probed"])
    fits = (len(cells), centres.shape[1]) == vectors.shape and 1 <= probed <= len(centres)
    if not (fits and int(cells.min()) >= 0 and int(cells.max()) < len(centres)):
        raise DamagedError(f"{folder / FILE} is not of the items of this export")
    return Index(vectors, centres, cells, probed)


def new_index(vectors: Tensor) -> Index:
    """Its cells are learned from the vectors [N, H]: 4 √N of them, as faiss advises."""
    n, width = vectors.shape
    count = max(min(round(4 * math.sqrt(n)), n // FEWEST), 1)
    means = load_faiss().Kmeans(width, count, niter=10, spherical=True, max_points_per_centroid=64, seed=1)
    means.train(vectors.numpy())
    cells = means.index.search(vectors.numpy(), 1)[1][:, 0]
    return Index(vectors, torch.from_numpy(means.centroids), torch.from_numpy(cells), probed=1)


def load_faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise UsageError(
            "the index needs faiss, which is not installed", hint="pip install 'sasrec-llm[faiss]'"
        ) from error
    return faiss
