"""Starting a command as several processes of this machine, under torchrun's agent, and saying how they ended."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from sasrec_llm.errors import LostError, SrlError, UsageError
from sasrec_llm.processes import called
from sasrec_llm.signals import Interrupted

NOTE = "TORCHELASTIC_ERROR_FILE"  # where a process says why it ended


def launch(count: int) -> None:
    """Do in `count` processes what this one was told, all but --nproc. The first shows what it does; the error of
    whichever fails is raised."""
    if called():
        raise UsageError("--nproc starts processes, and this is one of several already", hint="Leave --nproc out")
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.disable(logging.CRITICAL)  # of the agent, who has a lot to say; the processes speak for themselves
    os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // count, 1)))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "sasrec_llm", *_without_nproc(sys.argv[1:]))
    except SignalException as stopped:
        raise Interrupted(stopped.sigval) from None
    except ChildFailedError as failed:
        raise _told(
            [(each.local_rank, each.exitcode, each.error_file_data) for each in failed.failures.values()]
        ) from None


def _without_nproc(command: Sequence[str]) -> list[str]:
    kept = [word for word in command if not word.startswith("--nproc=")]
    if "--nproc" in kept:
        at = kept.index("--nproc")
        del kept[at : at + 2]
    return kept


def _told(failures: Sequence[tuple[int, int, dict[str, object]]]) -> SrlError:
    """Who only missed another is not the one to ask."""
    rank, code, note = min(failures, key=lambda failure: failure[1] == LostError.exit_code)
    if "hint" in note:
        return SrlError(str(note["message"]), hint=str(note["hint"]), exit_code=code)
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return LostError(f"process {rank} of {len(failures)} {how}", hint="Run it again: what is done is kept")


def note_end(message: str, hint: str) -> None:
    """Leave word for whoever started this process."""
    if NOTE in os.environ:
        note = {"message": message, "hint": hint, "timestamp": int(time.time())}
        Path(os.environ[NOTE]).write_text(json.dumps(note), encoding="utf-8")
