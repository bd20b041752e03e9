"""The processes that share the work of a run: this one alone, those that torchrun started, or Ray Train's workers.

All of them do the same in the same order. What is written is written by the first; what is large is divided; what one
decides, or finds, all are told. Wherever one is gone, the others end with `LostError`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

from sasrec_llm.errors import LostError, SrlError

T = TypeVar("T")
NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # what torchrun, and others like it, tell a process
PATIENCE = timedelta(hours=24)  # a process may wait as long as the first needs for what it does alone
PARENT_DIED = 1  # PR_SET_PDEATHSIG


def called() -> bool:
    """Whether this process was started as one of several."""
    return all(name in os.environ for name in NEEDED) and int(os.environ["WORLD_SIZE"]) > 1


def follows() -> bool:
    """Whether another of them speaks for all: known before they have met, and after they have parted."""
    return called() and os.environ["RANK"] != "0"


def count() -> int:
    distributed = sys.modules.get("torch.distributed")  # nobody has joined a group without it
    joined = distributed is not None and distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if distributed is not None and joined else 1


def rank() -> int:
    import torch.distributed

    return torch.distributed.get_rank() if count() > 1 else 0


def first() -> bool:
    """The one that writes."""
    return count() == 1 or rank() == 0


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """Inside, the processes that were started together know each other."""
    if not called():
        yield
        return
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # DDP wonders at every start whether it has to look
    import torch
    import torch.distributed

    if sys.platform == "linux":  # who started us would have to end us: nobody else knows of us
        ctypes.CDLL(None).prctl(PARENT_DIED, signal.SIGTERM)
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        backend = "cpu:gloo,cuda:nccl"
    with connected():
        torch.distributed.init_process_group(backend, timeout=PATIENCE)
    yield
    torch.distributed.destroy_process_group()


@contextlib.contextmanager
def connected() -> Iterator[None]:
    """An error of a connection means that a process at its other end is gone."""
    try:
        yield
    except RuntimeError as error:
        import torch.distributed

        known = isinstance(error, torch.distributed.DistError) or any(name in str(error) for name in ("gloo", "NCCL"))
        if not known:
            raise
        raise LostError("another process of this job has ended", hint="Run it again: what is done is kept") from error


def gather(part: T) -> list[T]:
    """What every process has, in the order of their ranks."""
    if count() == 1:
        return [part]
    import torch.distributed

    parts: list[Any] = [None] * count()
    with connected():
        torch.distributed.all_gather_object(parts, part)
    return parts


def lead(work: Callable[[], T]) -> T:
    """The first does it while the others wait, and tells them what it found, or what went wrong: all fail alike."""
    if count() == 1:
        return work()
    import torch.distributed

    told: list[Any] = [None, None]
    failed: SrlError | None = None
    if first():
        try:
            told[0] = work()
        except SrlError as error:
            failed, told[1] = error, (str(error), error.hint, error.exit_code)
    with connected():
        torch.distributed.broadcast_object_list(told, src=0)
    if told[1]:
        message, hint, code = told[1]
        raise failed or SrlError(message, hint=hint, exit_code=code)
    return told[0]  # type: ignore[no-any-return]


def wait() -> None:
    """Until all are here: what the first has written can be read."""
    lead(lambda: None)


def in_turn(work: Callable[[], T]) -> T:
    """The first, then all others: what it downloads or makes for a cache is there for them."""
    found: list[T] = []
    lead(lambda: found.append(work()))
    return found[0] if found else work()


def total(value: float) -> float:
    """Of all processes; the same number everywhere, NaN if one of them is."""
    return value if count() == 1 else sum(gather(value))
