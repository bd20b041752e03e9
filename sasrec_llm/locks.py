"""One writer at a time. The system releases the lock of a process that dies; who holds it stands beside it, and what it
left half-written is removed by the next."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import shlex
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from sasrec_llm.durable import DRAFT, read_json, sweep
from sasrec_llm.errors import DamagedError, LockedError

log = logging.getLogger(__name__)


@contextlib.contextmanager
def locked(what: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the file or folder `what`, which need not exist yet, or say who does; with `wait`, until they are done."""
    what.parent.mkdir(parents=True, exist_ok=True)
    holder, lock = _note(what), _lock(what)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise LockedError(f"{_who(holder)} is working on {what}", hint="Wait for it to end, or stop it") from None
        log.warning("%s is working on %s: waiting for it", _who(holder), what)
        lock.acquire()
    try:
        about = {"pid": os.getpid(), "host": platform.node(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
        about["command"] = shlex.join(["srl", *sys.argv[1:]])
        holder.write_text(json.dumps(about), encoding="utf-8")  # a note for people: nothing relies on it
        sweep(what.parent, f"{DRAFT}{what.name}~*")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def at_work(what: Path) -> str:
    """Who holds the file or folder now, or nobody: "". Nothing is locked to find out unless there is a note."""
    holder = _note(what)
    if not holder.is_file():
        return ""
    try:
        with _lock(what).acquire(timeout=0):
            with contextlib.suppress(OSError):
                holder.unlink()  # of a process that died
            return ""
    except (Timeout, OSError):  # held, or not ours to lock
        return _who(holder)


def _note(what: Path) -> Path:
    return what.with_name(f".{what.name}.holder.json")


def _lock(what: Path) -> FileLock:
    return FileLock(what.with_name(f".{what.name}.lock"))


def _who(holder: Path) -> str:
    """The lock was taken a moment ago where there is no note yet."""
    try:
        found = read_json(holder)
    except (DamagedError, FileNotFoundError):
        return "another process"
    return f"process {found['pid']} on {found['host']} ({found['command']}, since {found['since']})"
