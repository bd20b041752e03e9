"""One writer at a time. The system releases the lock of a process that dies; who holds it stands beside it."""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from sasrec_llm.durable import read_json, write_json
from sasrec_llm.errors import DamagedError, LockedError


@contextlib.contextmanager
def locked(what: Path) -> Iterator[None]:
    """Hold the folder `what`, which need not exist yet, or say who does."""
    what.parent.mkdir(parents=True, exist_ok=True)
    holder = what.with_name(f".{what.name}.holder.json")
    try:
        with FileLock(what.with_name(f".{what.name}.lock"), timeout=0):
            write_json(
                holder,
                {
                    "pid": os.getpid(),
                    "host": platform.node(),
                    "since": datetime.now(UTC).isoformat(timespec="seconds"),
                    "command": shlex.join(["srl", *sys.argv[1:]]),
                },
            )
            try:
                yield
            finally:
                holder.unlink(missing_ok=True)
    except Timeout:
        raise LockedError(f"{_who(holder)} is working on {what}", hint="Wait for it to end, or stop it") from None


def _who(holder: Path) -> str:
    """The lock was taken a moment ago where there is no note yet."""
    try:
        found = read_json(holder)
    except (DamagedError, FileNotFoundError):
        return "another process"
    return f"process {found['pid']} on {found['host']} ({found['command']}, since {found['since']})"
