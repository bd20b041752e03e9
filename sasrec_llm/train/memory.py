"""What the training of some parts holds, by arithmetic, before anything is tried."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from sasrec_llm.interfaces import Part, RowReader

MB = 2**20
MOMENTS = 2  # AdamW's, of every weight, also of rows that were never read
INDEX = 8  # bytes that say which row a gradient is of


@dataclass(frozen=True, slots=True)
class Memory:
    """In MB, of the parts that a stage trains: what does not depend on how a step computes."""

    weights_mb: float
    gradients_mb: float
    optimiser_mb: float

    @property
    def total_mb(self) -> float:
        return self.weights_mb + self.gradients_mb + self.optimiser_mb


def memory(trained: Iterable[Part], batch_size: int) -> Memory:
    """A table of `sparse` embeddings has gradients for the rows that a step reads, at most; all else has them whole."""
    weights = gradients = moments = 0
    for part in trained:
        rows = part.rows_of_step(batch_size) if isinstance(part, RowReader) else None
        sparse = set(sparse_tables(part))
        for weight in part.parameters():
            size = weight.numel() * weight.element_size()
            weights += size
            moments += MOMENTS * size
            if weight in sparse and rows is not None:
                gradients += rows * (size // len(weight) + INDEX)
            else:
                gradients += size
    return Memory(*(round(found / MB, 1) for found in (weights, gradients, moments)))


def sparse_tables(part: Part) -> list[Tensor]:
    """The weights whose gradient has only the rows that a step reads."""
    if not isinstance(part, nn.Module):
        return []
    return [module.weight for module in part.modules() if isinstance(module, nn.Embedding) and module.sparse]
