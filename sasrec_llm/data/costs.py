"""What preparing a dataset took. No two times agree on it, so it stands beside the card, and no hash covers it."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sasrec_llm.components import Settings
from sasrec_llm.durable import read_json, write_json

EVERY = 0.1  # seconds between two looks at the disk


class Costs(Settings):
    seconds: float
    rows: int  # that were read
    peak_mb: float | None  # resident memory of the process at its largest; None where the system does not say
    scratch_mb: float  # on disk beside the result at the most: what was spilled, unpacked, cut into shards
    threads: int
    memory: str  # the limit of DuckDB, which is a part of the process

    def line(self) -> str:
        """For people."""
        parts = [f"{self.seconds:.1f} s, {self.rows / max(self.seconds, 1e-9):,.0f} rows/s"]
        if self.peak_mb is not None:
            parts.append(f"peak {self.peak_mb:,.0f} MB of memory (DuckDB: {self.memory})")
        parts.append(f"{self.scratch_mb:,.0f} MB of disk on the side · threads {self.threads}")
        return " · ".join(parts)


def write_costs(folder: Path, costs: Costs) -> None:
    write_json(folder / "costs.json", costs.model_dump(mode="json"))


def read_costs(folder: Path) -> Costs | None:
    path = folder / "costs.json"
    return Costs.model_validate(read_json(path)) if path.is_file() else None


@contextlib.contextmanager
def measured(scratch: Path) -> Iterator[Callable[[], tuple[float, float]]]:
    """Yields what tells the seconds so far, and the megabytes that the folder took at the most."""
    began, sizes, done = time.monotonic(), [0.0], threading.Event()

    def look() -> None:
        while not done.wait(EVERY):
            sizes[0] = max(sizes[0], size_of(scratch) / 1e6)

    watch = threading.Thread(target=look, daemon=True)
    watch.start()
    try:
        yield lambda: (round(time.monotonic() - began, 2), round(sizes[0], 1))
    finally:
        done.set()
        watch.join()


def size_of(path: Path) -> int:
    """Bytes of a file, or of all in a folder."""
    total = path.lstat().st_size if path.is_file() else 0
    for place, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):  # gone meanwhile
                total += os.lstat(os.path.join(place, name)).st_size
    return total


def peak_mb() -> float | None:
    """Resident memory at its largest. On Linux `ru_maxrss` would count the process that started this one, too."""
    status = Path("/proc/self/status")
    if status.is_file():
        found = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return round(int(found.split()[1]) * 1024 / 1e6, 1)
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, KiB elsewhere
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)
