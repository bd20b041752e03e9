"""The Ray cluster to work on: one that is there, or one of this machine's cores that ends with the process."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

from sasrec_llm.errors import StorageError, UsageError

AGAIN = "Run it again: what is done is kept"
PASSED_ON = ("SRL_", "HF_", "OMP_NUM_THREADS", "PYTHONPATH")  # of the environment, to the workers
ANSWER, STATUS = 10, 40  # seconds, for a machine to answer at all, and for Ray on it to do so


def connect(engine: str) -> None:
    """`ray://HOST:PORT`: the cluster whose head listens there; `ray`: that of RAY_ADDRESS, or else one of this machine.

    This process joins it, so it must run on one of the cluster's machines. Ray's own `ray://` is its client for other
    machines, which cannot do all that is needed here.
    """
    if engine != "ray" and not engine.startswith("ray://"):
        raise UsageError(f"unknown engine {engine!r}", hint="--engine local, --engine ray or --engine ray://HOST:PORT")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what matters is raised; the rest is in Ray's own logs
    try:
        import ray
    except ImportError:
        hint = "pip install 'sasrec-llm[ray]'"
        raise UsageError(f"the engine {engine} needs Ray, which is not installed", hint=hint) from None
    for name in ("ray", "ray.train"):
        logging.getLogger(name).setLevel(logging.ERROR)
    address = engine if engine != "ray" else os.environ.get("RAY_ADDRESS", "")
    if address:
        address = address.removeprefix("ray://")
        _reach(address)
    if ray.is_initialized():
        return
    try:
        with unheard(), signals_kept():
            ray.init(
                address=address or "local",
                num_cpus=None if address else os.cpu_count(),
                include_dashboard=None if address else False,
                configure_logging=False,
                logging_level=logging.ERROR,
                log_to_driver=False,
            )
    except (OSError, RuntimeError, ValueError, TimeoutError) as error:
        where = f"the Ray cluster at {address}" if address else "Ray on this machine"
        raise StorageError(f"cannot join {where}: {error}", hint="Does srl run on one of its machines?") from error


def cores() -> int:
    """Of all machines of the cluster."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def gpus() -> int:
    """Of all machines of the cluster."""
    import ray

    return int(ray.cluster_resources().get("GPU", 0))


def passed_on() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}


@contextlib.contextmanager
def signals_kept() -> Iterator[None]:
    """Ray would answer to SIGTERM itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """Without what Ray's own code writes past Python: it greets at every start."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _reach(address: str) -> None:
    """Raise unless a cluster's head is there. Ray itself would wait for minutes, and then end the process."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"{address!r} is no address of a Ray cluster", hint="--engine ray://HOST:PORT")
    hint = "The address is what `ray start --head` printed; to use this machine alone: --engine ray"
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER).close()
        asked = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
        subprocess.run(asked, check=True, capture_output=True, timeout=STATUS)
    except (OSError, OverflowError) as error:
        raise StorageError(f"no Ray cluster answers at {address}: {error}", hint=hint) from error
    except subprocess.SubprocessError as error:
        raise StorageError(f"what listens at {address} is not the head of a Ray cluster", hint=hint) from error
