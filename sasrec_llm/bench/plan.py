"""What a run will take: each stage is trained and asked for a moment, and the rest is arithmetic. Nothing is kept."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sasrec_llm.bench.paths import asked, trained
from sasrec_llm.evaluation.examiner import EVALUATED
from sasrec_llm.interfaces import Part
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Recipe, Stage
from sasrec_llm.runs import Workspace, find_place
from sasrec_llm.systems import build, make_chain, open_data
from sasrec_llm.train.loop import order_of
from sasrec_llm.train.memory import Memory, memory


@dataclass(frozen=True, slots=True)
class Planned:
    """A stage to come. `memory_mb` is the most that was held until its moment was over, whatever held it."""

    stage: str
    trains: dict[str, int]  # part -> parameters
    epochs: int
    steps: int  # of an epoch; 0 for a closed form
    seconds: float  # of all epochs, their validation, and the scores at the end
    memory_mb: float | None
    stated: Memory  # by arithmetic, before it was tried

    def dump(self) -> dict[str, Any]:
        found = asdict(self)
        return {**found, **found.pop("stated")}


def plan(
    recipe: Recipe, workspace: Workspace, plugins: Plugins, seconds: float, tell: Callable[[str, Memory], None]
) -> Iterator[Planned]:
    """`seconds`: of training, and again of scoring, for each stage. `tell` is told what each stage's training will hold
    before the first is tried, for there memory may end."""
    data = open_data(recipe, workspace, plugins)
    with tempfile.TemporaryDirectory() as scratch:
        place = replace(workspace, runs=Path(scratch))
        system = build(recipe, data, place, plugins)
        chain = make_chain(recipe, data, system, find_place(place.runs, recipe, data.sha256), place, plugins)
        n_asked = sum(len(data.of(split)) for split in EVALUATED)
        held = {name: held_by(stage, system.strategy.parts()) for name, stage in recipe.stages.items()}
        for name, stated in held.items():
            tell(name, stated)
        for name, stage in recipe.stages.items():
            batches = chain.batches(stage, system.strategy.parts())
            steps, seconds_of_steps = 0, 0.0
            if batches is not None:
                steps = stage.epoch_steps or order_of(batches, stage, 0, name).steps_per_pass
                found = trained(recipe, name, stage, data, system, place, plugins, seconds)
                rate = found.value if found and not math.isnan(found.value) else math.inf
                seconds_of_steps = stage.epochs * steps * stage.batch_size / rate
            recommender = system.strategy.recommender(stage.objective)
            rate = asked(chain.examiner, recommender, system.strategy.history_length, seconds)[1]
            n_valid = stage.epochs * min(stage.valid_rows or n_asked, len(data.of("valid"))) if steps else 0
            yield Planned(
                stage=name,
                trains={
                    part: sum(weight.numel() for weight in system.strategy.parts()[part].parameters())
                    for part in stage.train
                },
                epochs=stage.epochs if steps else 1,
                steps=steps,
                seconds=seconds_of_steps + (n_valid + n_asked) / rate,
                memory_mb=system.device.peak_memory_mb(),
                stated=held[name],
            )


def held_by(stage: Stage, parts: Mapping[str, Part]) -> Memory:
    return memory([parts[name] for name in stage.train], stage.batch_size)
