"""Numbered work on a Ray cluster: Ray Data maps it over workers that prepare themselves once.

One that is lost is replaced, and what it was at is done again: the work must leave the same, however often it is done.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.data

from sasrec_llm.errors import LostError, SrlError
from sasrec_llm.ray.cluster import AGAIN, cores, gpus, passed_on

logging.getLogger("ray.data").setLevel(logging.ERROR)  # its import has set another

Prepare = Callable[..., Callable[[int], Any]]  # what the workers are told -> what does the work of a number


class _Worker:
    def __init__(self, prepare: Prepare, told: Sequence[Any], folder: Path, environment: Mapping[str, str]) -> None:
        os.environ.update(environment)
        os.chdir(folder)
        self._do = prepare(*told)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        found = np.empty(len(batch["id"]), dtype=object)  # whatever it is, as it is
        found[:] = [self._do(int(number)) for number in batch["id"]]
        return {"id": batch["id"], "found": found}


def map_on_cluster(prepare: Prepare, told: Sequence[Any], numbers: Sequence[int], workers: int | None) -> list[Any]:
    """What comes of each number, in their order, from so many workers: by default one for each GPU, or each core."""
    if not numbers:
        return []
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    rows = ray.data.from_items([{"id": number} for number in numbers], override_num_blocks=len(numbers))
    done = rows.map_batches(
        _Worker,
        fn_constructor_args=(prepare, told, Path.cwd(), passed_on()),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(workers or gpus() or cores(), len(numbers))),
        num_cpus=1,
        num_gpus=1 if gpus() else 0,
    )
    try:
        found = {row["id"]: row["found"] for row in done.take_all()}
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, SrlError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise LostError(f"the cluster could not do it: {error}", hint=AGAIN) from error
    return [found[number] for number in numbers]
