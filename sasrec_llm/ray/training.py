"""A recipe on a Ray cluster: Ray Train starts the processes, and they do what those of torchrun do.

What watches the run watches it in the first of them; what shows it, here. When a machine is lost, Ray Train starts as
many as are left, and they go on from the latest checkpoint; the work is cut into slices, not into processes, so the
result is the same.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import ray.train
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchConfig, TorchTrainer
from ray.util.queue import Empty, Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sasrec_llm import processes
from sasrec_llm.errors import LostError, SrlError
from sasrec_llm.experiment import run
from sasrec_llm.outcome import Outcome
from sasrec_llm.plugins import Plugins, plugins
from sasrec_llm.ray.cluster import AGAIN, cores, gpus, passed_on
from sasrec_llm.ray.relay import Relay
from sasrec_llm.ray.work import read_texts
from sasrec_llm.recipe import Recipe
from sasrec_llm.runs import Workspace

LOSSES = 3  # of machines, after which it is no bad luck
GROWS = 600.0  # seconds between two looks whether the cluster has grown; the run then starts again where it was
LOOK = 0.5  # seconds
RESERVE = "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"  # its wait for workers, which a machine that is lost cannot give


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker is told."""

    recipe: Recipe
    given: str
    workspace: Workspace
    folder: Path  # what relative paths of the recipe are relative to
    environment: Mapping[str, str]
    told: Queue


@dataclass(frozen=True, slots=True)
class Failed:
    """An error that the run itself has found, and would find again."""

    message: str
    hint: str
    exit_code: int


def run_on_cluster(
    recipe: Recipe, given: str, workspace: Workspace, watcher: Plugins, workers: int | None = None
) -> Outcome:
    """As `experiment.run`, by so many workers of the cluster that this process has joined; by default one for each
    GPU, or each core where there is none."""
    count = workers or gpus() or cores()
    os.environ.setdefault(RESERVE, "10")
    place = workspace.absolute()
    read_texts(recipe, place, workers)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    told = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
    work = Work(recipe.in_slices(count), given, place, Path.cwd(), passed_on(), told)
    place.runs.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=place.runs, prefix=".ray-"))  # Ray Train wants one; nothing is read
    trainer = TorchTrainer(
        _work,
        train_loop_config={"work": work},
        torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if gpus() else "gloo", timeout_s=86_400),
        scaling_config=ScalingConfig(
            num_workers=(1, count),
            use_gpu=gpus() > 0,
            placement_strategy="SPREAD",
            elastic_resize_monitor_interval_s=GROWS,
        ),
        run_config=RunConfig(storage_path=str(scratch), failure_config=FailureConfig(max_failures=LOSSES)),
    )
    ended: list[BaseException | None] = []
    thread = threading.Thread(target=lambda: ended.append(_fit(trainer)), daemon=True)  # signals stay ours
    thread.start()
    try:
        return _listen(told, watcher, ended)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _fit(trainer: TorchTrainer) -> BaseException | None:
    try:
        trainer.fit()
    except Exception as error:
        return error
    return None


def _listen(told: Queue, watcher: Plugins, ended: list[BaseException | None]) -> Outcome:
    """Pass on what is told of the run until it has ended."""
    outcome: Outcome | None = None
    while True:
        over = bool(ended)
        try:
            while True:
                found = told.get(timeout=LOOK)
                if isinstance(found, Outcome):
                    outcome = found
                elif isinstance(found, Failed):
                    raise SrlError(found.message, hint=found.hint, exit_code=found.exit_code)
                else:
                    name, values = found
                    watcher.event(name, **values)
        except Empty:
            pass
        except ray.exceptions.RayError as error:  # this machine's own part of the cluster
            raise LostError(f"the cluster is gone: {_last_line(error)}", hint=AGAIN) from error
        if over:
            break
    why = ended[0]
    if outcome is not None and why is None:
        return outcome
    if why is None or isinstance(why, (TrainingFailedError, ray.exceptions.RayError)):
        raise LostError(f"the workers have ended: {_last_line(why)}", hint=AGAIN) from why
    raise why


def _last_line(error: BaseException | None) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else "nobody knows why"


def _work(config: Mapping[str, Any]) -> None:
    """One worker: one of the processes of the run."""
    work: Work = config["work"]
    os.environ.update(work.environment)
    os.chdir(work.folder)
    known = plugins()
    if processes.first():
        known.add(Relay(work.told), "relay")
    try:
        outcome = run(work.recipe, work.given, work.workspace, known)
    except LostError:
        raise  # and Ray Train starts all of them again
    except SrlError as error:
        work.told.put(Failed(str(error), error.hint, error.exit_code))
        return
    finally:
        if processes.first():
            known.remove("relay")
    if processes.first():
        work.told.put(outcome)
