"""Steps on shards as tasks of a Ray cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from sasrec_llm.data.shards import Shard, Step
from sasrec_llm.errors import SrlError, StorageError

RETRIES = 3  # of a task whose machine was lost


def on_cluster(step: Step, shards: Sequence[Shard]) -> list[Any]:
    """One task with one core for each shard."""
    task = ray.remote(num_cpus=1, max_retries=RETRIES)(_do)
    try:
        return list(ray.get([task.remote(step, replace(shard, threads=1)) for shard in shards]))
    except RayTaskError as error:
        if isinstance(error.cause, SrlError):
            raise error.cause from None
        raise
    except RayError as error:
        raise StorageError(f"the Ray cluster could not do it: {error}") from error


def _do(step: Step, shard: Shard) -> Any:
    return step(shard)
