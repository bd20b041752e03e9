"""Sparse matrices that are saved and loaded with the encoder they belong to."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor, nn

from sasrec_llm.errors import DamagedError
from sasrec_llm.interfaces import Rows

ARRAYS = ("offsets", "places", "values")


class SparseMatrix(nn.Module):
    """A CSR matrix [rows, columns] in three buffers. How many rows and entries it has depends on the data."""

    offsets: Tensor  # [rows + 1] int64: where each row starts
    places: Tensor  # [entries] int32: the column of each entry, ascending in a row
    values: Tensor  # [entries] float32

    def __init__(self, *, rows: int, columns: int) -> None:
        super().__init__()
        self.columns = columns
        self.register_buffer("offsets", torch.zeros(rows + 1, dtype=torch.int64))
        self.register_buffer("places", torch.zeros(0, dtype=torch.int32))
        self.register_buffer("values", torch.zeros(0))

    def put(self, matrix: Any) -> None:
        """Keep a SciPy CSR matrix."""
        matrix.sort_indices()
        for name, found in zip(ARRAYS, (matrix.indptr, matrix.indices, matrix.data), strict=True):
            old = getattr(self, name)
            setattr(self, name, torch.from_numpy(found).to(old.device, old.dtype))
        self._forget()

    @cached_property
    def csr(self) -> Any:
        """As SciPy reads it, in float64."""
        offsets, places, values = (getattr(self, name).cpu().numpy() for name in ARRAYS)
        found = csr_array((values.astype(np.float64), places, offsets), shape=(len(offsets) - 1, self.columns))
        found.check_format(full_check=True)
        return found

    @cached_property
    def transposed(self) -> Any:
        """[columns, rows], as CSR too."""
        return self.csr.T.tocsr()

    def at(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float64]:
        """The entries at the places (rows, columns), 0 where there is none; any shape, the same for both."""
        keys, values = self._entries
        wanted = rows * self.columns + columns
        place = np.searchsorted(keys[:-1], wanted)
        return np.where(keys[place] == wanted, values[place], 0.0)

    @cached_property
    def _entries(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Entries as ascending numbers row · columns + column, and their values; one behind the last, of no place."""
        found = self.csr
        rows = np.repeat(np.arange(found.shape[0], dtype=np.int64), np.diff(found.indptr))
        return np.append(rows * self.columns + found.indices, -1), np.append(found.data, 0.0)

    def _forget(self) -> None:
        for name in ("csr", "transposed", "_entries"):
            self.__dict__.pop(name, None)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *others: Any) -> None:
        for name in ARRAYS:
            if prefix + name in state_dict:
                setattr(self, name, getattr(self, name).new_empty(len(state_dict[prefix + name])))
        super()._load_from_state_dict(state_dict, prefix, *others)
        self._forget()
        try:
            self.csr  # noqa: B018
        except ValueError as error:
            raise DamagedError(f"{prefix.rstrip('.')} is not a sparse matrix: {error}") from error


def growing(part: object) -> frozenset[str]:
    """Names in the state dict of a part whose length is not known before they are loaded."""
    if not isinstance(part, nn.Module):
        return frozenset()
    return frozenset(
        f"{path}.{name}" if path else name
        for path, module in part.named_modules()
        if isinstance(module, SparseMatrix)
        for name in ARRAYS
    )


def liked_sets(rows: Rows, *, n_items: int) -> Any:
    """Who liked what at least once: binary CSR [users + 1, N + 1]."""
    liked = rows.labels == 1
    users, items = rows.users[liked], rows.items[liked]
    shape = (int(rows.users.max(initial=0)) + 1, n_items + 1)
    found = csr_array((np.ones(len(users)), (users, items)), shape=shape)
    found.data[:] = 1.0
    return found


def places_in_row(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row numbers, ascending -> 0, 1, 2, ... within each row."""
    counts = np.bincount(rows)
    return np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]


def largest(values: NDArray[np.float64], rows: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Where the k largest values of each row stand; of equals the first. Row numbers ascend."""
    counts = np.bincount(rows, minlength=1)
    keep = counts[rows] <= k
    crowded = np.flatnonzero(~keep)
    if len(crowded):
        lines = (np.cumsum(counts > k) - 1)[rows[crowded]]
        places = places_in_row(rows)[crowded]
        table = np.full((lines[-1] + 1, counts.max()), -np.inf)  # the crowded rows, padded
        table[lines, places] = values[crowded]
        least = np.partition(table, -k, axis=1)[:, -k, None]
        more, equal = table > least, table == least
        chosen = more | (equal & (np.cumsum(equal, axis=1) <= k - more.sum(axis=1, keepdims=True)))
        keep[crowded] = chosen[lines, places]
    return np.flatnonzero(keep)
