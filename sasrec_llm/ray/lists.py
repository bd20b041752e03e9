"""Lists for many users on a Ray cluster: Ray Data maps the shards over workers that each load the run once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.data

from sasrec_llm.answering.lists import Order, write_shard
from sasrec_llm.answering.opening import load
from sasrec_llm.errors import LostError, SrlError
from sasrec_llm.plugins import plugins
from sasrec_llm.ray.cluster import AGAIN, cores, gpus, passed_on
from sasrec_llm.runs import Workspace


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker works."""

    workspace: Workspace
    folder: Path
    environment: Mapping[str, str]


class Lister:
    """A worker."""

    def __init__(self, order: Order, place: Place) -> None:
        os.environ.update(place.environment)
        os.chdir(place.folder)
        self._order = order
        self._loaded = load(order.run, place.workspace, plugins(), order.candidates)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        files = [write_shard(self._order, int(number), self._loaded).name for number in batch["id"]]
        return {"file": np.array(files, dtype=object)}


def write_on_cluster(order: Order, numbers: Sequence[int], workspace: Workspace, workers: int | None = None) -> None:
    """Write these shards, by so many workers of the cluster; one that is lost is replaced, and its shard done again."""
    if not numbers:
        return
    count = min(workers or gpus() or cores(), len(numbers))
    place = Place(workspace.absolute(), Path.cwd(), passed_on())
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    shards = ray.data.from_items([{"id": number} for number in numbers], override_num_blocks=len(numbers))
    done = shards.map_batches(
        Lister,
        fn_constructor_args=(order, place),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=count),
        num_cpus=1,
        num_gpus=1 if gpus() else 0,
    )
    try:
        done.materialize()
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, SrlError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise LostError(f"the cluster could not do it: {error}", hint=AGAIN) from error
