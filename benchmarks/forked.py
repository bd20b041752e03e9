"""`srl` as a process of its own without the seconds of its imports: this one imports all, and forks.

Every operation that changes files is counted: opening for writing, renaming, making and removing folders, syncing,
and what safetensors and DuckDB write. A plan says what happens at which of them.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # a process with threads cannot be forked
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["SRL_DISABLE_PLUGINS"] = "mlflow"

import safetensors.torch

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "os.truncate"}
Plan = Callable[[int, str], None]  # number of the operation, from 1, and what it is
_plan: Plan | None = None
_count = 0
_root = ""


def _operation(what: str, path: object) -> None:
    global _count
    place = os.path.abspath(str(path))
    if _plan and place.startswith(_root):
        _count += 1
        _plan(_count, f"{what} {place.removeprefix(_root)}")


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    writes = isinstance(arguments[2], int) and arguments[2] & WRITES if event == "open" else event in CHANGES
    if writes and not isinstance(arguments[0], int):  # an open file
        _operation(event, os.fsdecode(arguments[0]))


def _watched(function: Callable[..., Any], what: str, place: int) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        _operation(what, arguments[place])
        return function(*arguments, **named)

    return call


def _synced(handle: int) -> None:
    _operation("os.fsync", os.readlink(f"/proc/self/fd/{handle}"))
    _fsync(handle)


sys.addaudithook(_audit)
_fsync, os.fsync = os.fsync, _synced
safetensors.torch.save_file = _watched(safetensors.torch.save_file, "save_file", 1)

import sasrec_llm.data.database  # noqa: E402

sasrec_llm.data.database.write_parquet = _watched(sasrec_llm.data.database.write_parquet, "COPY", 2)

import matplotlib.pyplot  # noqa: F401, E402
import sklearn.ensemble  # noqa: F401, E402

import sasrec_llm.across  # noqa: E402
import sasrec_llm.backbones.tiny_llama  # noqa: E402
import sasrec_llm.encoders.stacked  # noqa: E402
import sasrec_llm.experiment  # noqa: E402
import sasrec_llm.report.write  # noqa: E402
import sasrec_llm.train.loop  # noqa: E402
from sasrec_llm.cli.app import main  # noqa: E402

sasrec_llm.train.loop.SAVED = 0.05  # seconds, so that checkpoints are written inside epochs

RECIPE = Path(__file__).with_name("small.toml")
FEW = (
    "--set=stages.encoder.epochs=2",
    *(f"--set=stages.{name}.epoch_steps=4" for name in ("encoder", "warmup", "align")),
)


def commands(short: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """To prepare, to run; short: on a part of the data and with few steps, for the test suite."""
    prepare, run = ("data", "prepare", "demo"), ("run", "small.toml")
    if not short:
        return prepare, run
    sasrec_llm.backbones.tiny_llama.LINES = 1_000
    return (*prepare, "--max-id", "60"), (*run, *FEW)


def without_pages() -> None:
    """Reports are drawn last, take a third of so small a run, and nothing depends on them."""
    sasrec_llm.experiment.draw_page = lambda *_: None


def place(parent: Path, data: Path | None = None) -> Path:
    """A new working directory, with prepared data if given."""
    folder = Path(tempfile.mkdtemp(dir=parent))
    shutil.copy(RECIPE, folder / "small.toml")
    if data:
        shutil.copytree(data, folder / "data")
    return folder


def start(folder: Path, *command: str, plan: Plan | None = None) -> int:
    """The process id of `srl COMMAND` in the folder; what it prints is in `said`."""
    child = os.fork()
    if child:
        return child
    global _plan, _root
    code = 1
    try:
        os.chdir(folder)
        os.environ.update(SRL_CACHE=str(folder / "cache"), SRL_DATA="data", SRL_RUNS="runs")
        out = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.argv, _root, _plan = ["srl", *command], f"{folder}/", plan
        main()
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 0 if left.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def counted(folder: Path, *command: str) -> list[str]:
    """Run it to its end -> the operations on files."""
    listing = folder / "operations"
    to = os.open(listing, os.O_WRONLY | os.O_CREAT)
    assert end(start(folder, *command, plan=note(to))) == 0, said(folder)
    os.close(to)
    return listing.read_text().splitlines()


def end(process: int) -> int:
    """Its exit code, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def said(folder: Path) -> str:
    return (folder / "said").read_text(errors="replace")


def hashes(folder: Path) -> dict[str, str]:
    """What must be the same however a run came to its end."""
    found = [*folder.glob("runs/*/stages/*/result/**/*.safetensors")]
    found += [path for name in ("metrics.json", "predictions.parquet") for path in folder.glob(f"runs/*/{name}")]
    return {
        "/".join(path.relative_to(folder).parts[2:]): hashlib.sha256(path.read_bytes()).hexdigest() for path in found
    }


def leftovers(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob(".tmp-*")]


def note(to: int) -> Plan:
    """Writes every operation to an open file."""

    def plan(number: int, what: str) -> None:
        os.write(to, f"{what}\n".encode())

    return plan


def kill_at(wanted: int) -> Plan:
    def plan(number: int, what: str) -> None:
        if number == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    return plan


def fail_at(wanted: int, code: int) -> Plan:
    def plan(number: int, what: str) -> None:
        if number == wanted:
            path = what.split(" ", 1)[1]
            if what.startswith("COPY"):
                import duckdb

                raise duckdb.IOException(f"IO Error: {os.strerror(code)}: {path}")
            if what.startswith("save_file"):
                raise safetensors.SafetensorError(f"Error while serializing: I/O error: {os.strerror(code)}")
            raise OSError(code, os.strerror(code), path)

    return plan


CODES = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EACCES": errno.EACCES}
