"""What this machine has: processors, memory, GPUs, and how PyTorch uses them."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path

from sasrec_llm.doctor.sections import GB, Section, gigabytes

CONTROL = Path("/sys/fs/cgroup")  # what a container may use, on Linux
LEAST_MEMORY = 1 * GB
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def machine(section: Section) -> None:
    cpus = usable_cpus()
    section.rows["processors"] = f"{cpus:g} of {os.cpu_count()}"
    total, free = memory()
    if total:
        section.rows["memory"] = f"{gigabytes(total)}, {gigabytes(free)} free"
        if free < LEAST_MEMORY:
            section.problem(f"only {gigabytes(free)} of memory is free", "End what else runs, or use a larger machine")
    import torch

    threads = torch.get_num_threads()
    stated = [f"{name}={os.environ[name]}" for name in THREADS if name in os.environ]
    section.rows["threads"] = ", ".join([f"PyTorch uses {threads}", *stated])
    if threads > math.ceil(cpus):
        section.problem(
            f"PyTorch uses {threads} threads on {cpus:g} processors, which makes them wait for each other",
            f"export OMP_NUM_THREADS={math.ceil(cpus)}",
        )
    graphics(section)


def graphics(section: Section) -> None:
    import torch

    from sasrec_llm.products import in_bf16

    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(number)
            name = torch.cuda.get_device_name(number)
            section.rows[f"cuda:{number}"] = f"{name}, {gigabytes(total)}, {gigabytes(free)} free"
        try:
            (torch.ones(2, device="cuda") * 2).sum().item()
        except RuntimeError as error:
            why = str(error).splitlines()[0]
            section.problem(f"the GPU does not compute: {why}", "Mend its driver, or do without: --set device=cpu")
    elif shutil.which("nvidia-smi"):
        section.problem(
            f"this machine has an NVIDIA GPU that PyTorch {torch.__version__} cannot use",
            "Install one made for its driver: https://pytorch.org/get-started/locally/",
        )
    else:
        section.rows["GPU"] = "Apple (mps)" if torch.backends.mps.is_available() else "none"
    if torch.cuda.is_available() and torch.cuda.is_bf16_supported():
        section.rows["precision"] = "fp32, bf16"
    else:
        gain = ", which is faster here for large models" if in_bf16() else ""
        section.rows["precision"] = f"fp32; bf16 only where a recipe asks for it{gain}"


def usable_cpus() -> float:
    """Those that this process may use, which may be fewer than there are."""
    count: float = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read(CONTROL / "cpu.max").partition(" ")
    return min(count, int(quota) / int(period)) if quota.isdigit() else count


def memory() -> tuple[int, int]:
    """Bytes in all and free, as far as the system says."""
    found = dict(line.split(":") for line in _read(Path("/proc/meminfo")).splitlines())
    total, free = (int(found.get(name, "0 kB").split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    limit, used = _read(CONTROL / "memory.max"), _read(CONTROL / "memory.current")
    if limit.isdigit() and used.isdigit():
        total, free = min(total, int(limit)), min(free, int(limit) - int(used))
    return total, free


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
