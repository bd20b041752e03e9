"""The gradient of a step, worked out slice by slice: one after the other, or by several processes at once.

    g = sum_s w_s g_s / sum_s w_s, where g_s is the gradient of the mean loss of slice s and w_s its questions

Every slice draws its own random numbers, so the gradient is the same however many processes share the slices, but for
the order in which it is added up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from sasrec_llm import processes
from sasrec_llm.devices import Device
from sasrec_llm.interfaces import Examples, Part, Sequences
from sasrec_llm.train.memory import sparse_tables

Batch = Examples | Sequences
Loss = Callable[[Batch], Tensor]


class _Weighted(nn.Module):
    """The loss as a module, for DDP, which looks for weights and for a call in one."""

    def __init__(self, loss: Loss, weights: Sequence[nn.Parameter]) -> None:
        super().__init__()
        self.weights = nn.ParameterList(weights)
        self._loss = loss

    def forward(self, batch: Batch, share: float) -> Tensor:
        return self._loss(batch) * share


class Gradient:
    """Called with a batch, it leaves the gradient in the weights and returns the loss: the same in all processes."""

    def __init__(self, *, loss: Loss, parts: Collection[Part], slices: int, device: Device) -> None:
        self._slices, self._device = slices, device
        self._tables = [table for part in parts for table in sparse_tables(part)] if slices > 1 else []
        known = set(self._tables)
        whole = [weight for part in parts for weight in part.parameters() if weight not in known]
        self._weighted: nn.Module = _Weighted(loss, whole)
        self._alike: DistributedDataParallel | None = None
        if processes.count() > 1 and whole:
            # Which weights a loss uses is a strategy's own business, so DDP has to look.
            self._weighted = self._alike = DistributedDataParallel(self._weighted, find_unused_parameters=True)

    def __call__(self, batch: Batch, seed: int) -> float:
        loss = 0.0
        rows: list[list[Tensor]] = []  # for each slice of each table
        own = list(self._own(batch))
        for number, weight, part in own:
            torch.manual_seed(slice_seed(seed, number))
            with self._added_up(part is own[-1][2]), self._device.precision(), processes.connected():
                found = self._weighted(part.to(self._device.name), weight * processes.count())  # DDP takes the mean
                found.backward()
            loss += float(found.detach()) / processes.count()
            rows.append([taken(table) for table in self._tables])
        for number, table in enumerate(self._tables):
            table.grad = added_up([of_slice[number] for of_slice in rows])
        return processes.total(loss)

    def _own(self, batch: Batch) -> Iterator[tuple[int, float, Batch]]:
        """This process's slices: number, share of all questions, rows. All have equally many: one that lacks one asks
        a row that counts 0."""
        rows, questions = len(batch), max(batch.questions, 1)
        count = min(self._slices, rows)
        rounds = -(-count // processes.count())
        for number in range(processes.rank(), rounds * processes.count(), processes.count()):
            if number < count:
                part = batch.pick(slice(rows * number // count, rows * (number + 1) // count))
                yield number, part.questions / questions, part
            else:
                yield number, 0.0, batch.pick(slice(0, 1))

    def _added_up(self, last: bool) -> contextlib.AbstractContextManager[None]:
        """The processes' gradients are added up once, behind the last slice of each."""
        return contextlib.nullcontext() if last or self._alike is None else self._alike.no_sync()


def taken(table: Tensor) -> Tensor:
    """A slice's gradient of a table of which it reads some rows; the next slice starts with none."""
    found, table.grad = table.grad, None
    if found is not None:
        return found.coalesce()
    nowhere = torch.empty(1, 0, dtype=torch.int64, device=table.device)
    return rows_of(nowhere, table.new_empty(0, *table.shape[1:]), table)


def added_up(own: Sequence[Tensor]) -> Tensor:
    """The gradient of a table, slice by slice, whoever worked it out. DDP would add up all of its rows."""
    told = processes.gather([(part.indices().cpu(), part.values().cpu() / processes.count()) for part in own])
    each = [parts[number] for number in range(len(told[0])) for parts in told if number < len(parts)]
    indices, values = torch.cat([rows for rows, _ in each], 1), torch.cat([values for _, values in each])
    return rows_of(indices, values, own[0])


def rows_of(indices: Tensor, values: Tensor, table: Tensor) -> Tensor:
    """Rows, of which several may be the same and are added up, of what looks like the table."""
    return torch.sparse_coo_tensor(indices, values, table.shape, device=table.device, check_invariants=False).coalesce()


def slice_seed(seed: int, number: int) -> int:
    return (seed + number * 0x9E3779B97F4A7C15) % 2**63
