"""The one training loop: AdamW on a strategy's loss, batch by batch, until validation stops improving."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from torch import Tensor

from sasrec_llm import processes
from sasrec_llm.data.interactions import Ints
from sasrec_llm.data.training import Batches
from sasrec_llm.devices import Device
from sasrec_llm.durable import new_folder, write_json
from sasrec_llm.errors import LostError, NonFiniteError
from sasrec_llm.interfaces import Examples, Part, Sequences, StageInfo
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Stage
from sasrec_llm.signals import Interrupted, held
from sasrec_llm.train import checkpoints
from sasrec_llm.train.checkpoints import Progress
from sasrec_llm.train.freezing import only, set_mode
from sasrec_llm.train.optimiser import RowAdamW
from sasrec_llm.train.order import Order
from sasrec_llm.train.schedule import scale
from sasrec_llm.train.slices import Gradient

SAVED = 300  # seconds from one checkpoint to the next, at most


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
    truncate_log: Callable[[int, int], None]  # what was logged after so many steps and epochs is forgotten


def order_of(batches: Batches, stage: Stage, seed: int, name: str) -> Order:
    return Order(rows=batches.index, batch_size=stage.batch_size, seed=seed, stage=name)


def fit(job: Job) -> Progress:
    """Train, or go on training, to the end of the stage. The best parts are in `folder/best/<epoch>`."""
    stage, plugins = job.stage, job.plugins
    order = order_of(job.batches, stage, job.seed, job.info.name)
    with only(job.parts, stage.train) as trained:
        groups = [
            {"params": weights, "peak": stage.lrs.get(name, stage.lr), "lr": 0.0} for name, weights in trained.items()
        ]
        fused = job.device.name == "cpu"
        optimiser = RowAdamW(groups, lr=stage.lr, weight_decay=stage.weight_decay, fused=fused)
        trained_parts = {name: job.parts[name] for name in stage.train}
        gradient = Gradient(loss=job.loss, parts=trained_parts.values(), slices=stage.slices, device=job.device)
        kept = checkpoints.Checkpoints(job.folder, trained_parts, optimiser)
        progress = kept.resume(job.identity)
        if progress is None:
            progress = Progress(job.identity)
            if stage.guard:
                _keep_if_best(job, progress, job.validate()[job.info.metric])
        if processes.first():
            job.truncate_log(progress.step, progress.epoch)
        plugins.event("srl_stage_started", stage=job.info)
        try:
            while progress.epoch < stage.epochs and not progress.stopped:
                began = time.monotonic()
                _epoch(job, optimiser, gradient, order, progress, kept)
                set_mode(job.parts, ())
                metrics = job.validate()
                with held():
                    _judge(job, progress, metrics[job.info.metric])
                    progress.seconds += time.monotonic() - began
                    told = {"epoch": float(progress.epoch), **metrics}
                    plugins.event("srl_evaluated", stage=job.info, split="valid", metrics=told)
                    last = progress.epoch == stage.epochs or progress.stopped
                    if last or progress.epoch % stage.checkpoint_every == 0:
                        kept.save(progress)
        except (Interrupted, LostError):
            with held():  # whoever sees that we are lost may end us at any moment
                kept.save(progress)
            raise
    return progress


def _epoch(
    job: Job,
    optimiser: RowAdamW,
    gradient: Gradient,
    order: Order,
    progress: Progress,
    kept: checkpoints.Checkpoints,
) -> None:
    """The steps that are left of an epoch. A signal waits for the end of its step."""
    stage, steps, began, first = job.stage, job.info.steps, time.monotonic(), progress.step
    set_mode(job.parts, stage.train)
    saved = began
    while progress.step < (progress.epoch + 1) * steps:
        step = progress.step
        with held():
            for group in optimiser.param_groups:
                group["lr"] = scale(stage, group["peak"], step, steps * stage.epochs)
            lr, rows = float(optimiser.param_groups[0]["lr"]), order.rows(step)
            optimiser.zero_grad()
            seed = order.seed(step)
            loss = gradient(job.batches.take(rows, seed), seed)
            norm = _step(optimiser, loss, stage.clip)
            if not (math.isfinite(loss) and math.isfinite(norm)):
                _fail(job, step, lr, rows, loss, norm, kept.newest())
            progress.step += 1
            progress.clipped += norm > stage.clip
            seconds = max(time.monotonic() - began, 1e-9)
            values = {
                "loss": loss,
                "gradient_norm": norm,
                "lr": lr,
                "epoch": progress.step / steps,
                "rows_per_second": (progress.step - first) * stage.batch_size / seconds,
            }
            job.plugins.event("srl_logged", stage=job.info, step=progress.step, values=values)
            if time.monotonic() - saved > SAVED:
                kept.save(progress)
                saved = time.monotonic()


def _step(optimiser: RowAdamW, loss: float, clip: float) -> float:
    """One step, unless the loss or its gradient is not finite; returns the gradient's norm."""
    norm = optimiser.clip(clip)
    if math.isfinite(loss) and math.isfinite(norm):
        optimiser.step()
    return norm


def _fail(job: Job, step: int, lr: float, rows: Ints, loss: float, norm: float, last: str) -> NoReturn:
    """Keep what is needed to do the step again, and stop."""
    what = f"the loss is {loss}" if not math.isfinite(loss) else f"the gradient of the loss {loss:.4g} is {norm}"
    about = {"stage": job.info.name, "step": step, "seed": job.seed, "lr": lr, "loss": loss, "gradient_norm": norm}
    place = job.folder / "failed.json"
    if processes.first():
        write_json(place, {**about, "rows": rows.tolist()})
    raise NonFiniteError(
        f"stage {job.info.name}, step {step}, learning rate {lr:.3g}: {what}; its rows are in {place}, "
        f"the last good checkpoint is {last or 'none: it is the first epoch'}",
        hint=f"Try a smaller learning rate: --set stages.{job.info.name}.lr={job.stage.lr / 10:g}",
    )


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
        if processes.first():
            with new_folder(checkpoints.best(job.folder, progress.epoch)) as draft:
                job.save_best(draft)
    return gain
