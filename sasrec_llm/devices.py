"""Where and how precisely a run computes."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from sasrec_llm import processes
from sasrec_llm.errors import UsageError
from sasrec_llm.recipe import Head

KEPT = {"M_TRIM_THRESHOLD": (-1, 2**30), "M_MMAP_THRESHOLD": (-3, 2**25)}  # numbers that glibc gave them; bytes


@dataclass(frozen=True, slots=True)
class Device:
    name: str  # cpu, cuda, mps
    half: bool  # matrix products in bf16

    def __str__(self) -> str:
        return f"{self.name}, bf16" if self.half else self.name

    @contextlib.contextmanager
    def precision(self) -> Iterator[None]:
        with torch.autocast(self.name, dtype=torch.bfloat16, enabled=self.half):
            yield

    def peak_memory_mb(self) -> float | None:
        """The most that was held at a time so far: on the GPU, or resident by this process."""
        if self.name == "cuda":
            return torch.cuda.max_memory_allocated() / 2**20
        try:
            import resource
        except ImportError:  # Windows
            return None
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, KiB elsewhere
        return peak / (2**20 if sys.platform == "darwin" else 2**10)


def choose_device(head: Head) -> Device:
    has = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    name = next(name for name in ("cuda", "mps", "cpu") if has[name]) if head.device == "auto" else head.device
    if not has[name]:
        raise UsageError(f"this machine has no {name} device", hint="--set device=auto")
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if name == "cuda" and processes.count() > 1 and beside > torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise UsageError(
            f"{beside} processes on a machine with {found} GPUs", hint=f"--nproc {found}, or --set device=cpu"
        )
    half = head.precision == "bf16" or (head.precision == "auto" and name == "cuda" and torch.cuda.is_bf16_supported())
    return Device(name, half)


@functools.cache
def keep_freed_memory() -> None:
    """What a step has freed is kept for the next, up to a gigabyte of it. Left alone, glibc gives the end of its heap
    back to the system, and gets it again page by page: in some processes at every step, thousands of pages each."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # a system without glibc has no such setting
            for number, size in KEPT.values():
                ctypes.CDLL(None).mallopt(number, size)
