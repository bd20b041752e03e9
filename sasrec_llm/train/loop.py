"""The one training loop: AdamW on a strategy's loss, batch by batch, until validation stops improving."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sasrec_llm.data.training import Batches
from sasrec_llm.devices import Device
from sasrec_llm.durable import new_folder
from sasrec_llm.errors import NonFiniteError
from sasrec_llm.interfaces import Examples, Part, Sequences, StageInfo
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Stage
from sasrec_llm.train import checkpoints
from sasrec_llm.train.checkpoints import Progress
from sasrec_llm.train.freezing import only, set_mode
from sasrec_llm.train.order import Order
from sasrec_llm.train.schedule import scale


@dataclass(frozen=True, slots=True)
class Job:
    """One stage, ready to train."""

    info: StageInfo
    stage: Stage
    identity: str
    parts: Mapping[str, Part]
    loss: Callable[[Examples | Sequences], Tensor]
    batches: Batches
    device: Device
    seed: int
    folder: Path  # checkpoints and the best parts so far
    validate: Callable[[], Mapping[str, float]]
    larger_is_better: bool
    save_best: Callable[[Path], None]
    plugins: Plugins
    truncate_log: Callable[[int], None]


def order_of(batches: Batches, stage: Stage, seed: int, name: str) -> Order:
    return Order(rows=batches.index, batch_size=stage.batch_size, seed=seed, stage=name)


def fit(job: Job) -> Progress:
    """Train, or go on training, to the end of the stage. The best parts are in `folder/best`."""
    stage, plugins = job.stage, job.plugins
    order = order_of(job.batches, stage, job.seed, job.info.name)
    total = job.info.steps * stage.epochs
    with only(job.parts, stage.train) as trained:
        groups = [
            {"params": weights, "peak": stage.lrs.get(name, stage.lr), "lr": 0.0} for name, weights in trained.items()
        ]
        optimiser = torch.optim.AdamW(groups, lr=stage.lr, weight_decay=stage.weight_decay)
        trained_parts = {name: job.parts[name] for name in stage.train}
        progress = checkpoints.resume(job.folder / "checkpoints", trained_parts, optimiser, job.identity)
        if progress is None:
            progress = Progress(job.identity)
            if stage.guard:
                _keep_if_best(job, progress, job.validate()[job.info.metric])
        job.truncate_log(progress.epoch * job.info.steps)
        plugins.event("srl_stage_started", stage=job.info)
        while progress.epoch < stage.epochs and not progress.stopped:
            began = time.monotonic()
            set_mode(job.parts, stage.train)
            for step in range(progress.epoch * job.info.steps, (progress.epoch + 1) * job.info.steps):
                for group in optimiser.param_groups:
                    group["lr"] = scale(stage, group["peak"], step, total)
                loss = _step(job, optimiser, job.batches.take(order.rows(step), order.seed_step(step)))
                if not math.isfinite(loss):
                    raise NonFiniteError(
                        f"stage {job.info.name}, step {step}: the loss is {loss}",
                        hint=f"Try a smaller learning rate: --set stages.{job.info.name}.lr={stage.lr / 10:g}",
                    )
                done = step + 1 - progress.epoch * job.info.steps
                values = {
                    "loss": loss,
                    "lr": float(optimiser.param_groups[0]["lr"]),
                    "epoch": progress.epoch + done / job.info.steps,
                    "rows_per_second": done * stage.batch_size / max(time.monotonic() - began, 1e-9),
                }
                plugins.event("srl_logged", stage=job.info, step=step + 1, values=values)
            set_mode(job.parts, ())
            metrics = job.validate()
            _judge(job, progress, metrics[job.info.metric])
            progress.seconds += time.monotonic() - began
            plugins.event(
                "srl_evaluated", stage=job.info, split="valid", metrics={"epoch": float(progress.epoch), **metrics}
            )
            last = progress.epoch == stage.epochs or progress.stopped
            if last or progress.epoch % stage.checkpoint_every == 0:
                checkpoints.save(job.folder / "checkpoints", trained_parts, optimiser, progress)
    return progress


def _step(job: Job, optimiser: torch.optim.Optimizer, batch: Examples | Sequences) -> float:
    """One optimiser step; returns the loss."""
    with job.device.precision():
        loss = job.loss(batch.to(job.device.name))
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    torch.nn.utils.clip_grad_norm_(weights, job.stage.clip)
    optimiser.step()
    return float(loss.detach())


def _judge(job: Job, progress: Progress, value: float) -> None:
    """Count the epoch; stop when too many have passed without gain."""
    progress.epoch += 1
    if not _keep_if_best(job, progress, value):
        progress.stale += 1
        progress.stopped = job.stage.patience is not None and progress.stale >= job.stage.patience


def _keep_if_best(job: Job, progress: Progress, value: float) -> bool:
    """Keep the parts as they are now, if `value` is the best validation metric so far."""
    if not math.isfinite(value):
        raise NonFiniteError(f"stage {job.info.name}: {job.info.metric} on validation is {value}")
    gain = progress.best is None or (value > progress.best if job.larger_is_better else value < progress.best)
    if gain:
        progress.best, progress.best_epoch, progress.stale = value, progress.epoch, 0
        with new_folder(job.folder / "best") as draft:
            job.save_best(draft)
    return gain
