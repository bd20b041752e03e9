"""The hot paths of a recipe: preparing rows, each stage's training, scoring, reading texts, measuring."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sasrec_llm.bench.machine import matmul_rate, memory_rate
from sasrec_llm.bench.pace import Pace
from sasrec_llm.data.interactions import Interactions, Ints
from sasrec_llm.data.own import OwnData, own_source
from sasrec_llm.data.prepare import prepare
from sasrec_llm.errors import StoppedError
from sasrec_llm.evaluation.bootstrap import resample
from sasrec_llm.evaluation.examiner import Examiner
from sasrec_llm.interfaces import Recommender, TextEmbedder
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Recipe, Stage
from sasrec_llm.runs import Workspace, find_place
from sasrec_llm.strategies.assemble import make
from sasrec_llm.systems import System, build, final_objective, make_chain, open_data
from sasrec_llm.texts_ahead import reads_texts

ENDLESS = 10**6
PREPARED_ROWS = 200_000
TEXTS = 20_000


@dataclass(frozen=True, slots=True)
class Figure:
    path: str
    value: float
    unit: str


def measure(recipe: Recipe, workspace: Workspace, plugins: Plugins, seconds: float) -> Iterator[Figure]:
    """`seconds`: for each path. Nothing of it is kept, and the test rows are not looked at."""
    data = open_data(recipe, workspace, plugins)
    with tempfile.TemporaryDirectory() as scratch:
        place = replace(workspace, runs=Path(scratch) / "runs", cache=workspace.cache)
        system = build(recipe, data, place, plugins)
        device = system.device.name
        yield Figure("matrix products, float32", matmul_rate(device) / 1e9, "GFLOP/s")
        yield Figure("memory", memory_rate(device) / 1e9, "GB/s")
        yield Figure("preparing a CSV", prepared_rows(Path(scratch)), "rows/s")
        for name, stage in recipe.stages.items():
            found = trained(recipe, name, stage, data, system, place, plugins, seconds)
            if found is not None:
                yield found
        yield from answered(recipe, data, system, place, plugins, seconds)
        if reads_texts(recipe, plugins):
            reader = make("backbone", recipe.choices["backbone"], system.context, plugins)
            yield read(reader, data, seconds)


def prepared_rows(folder: Path) -> float:
    chance = np.random.default_rng(0)
    columns = [chance.integers(1, high, PREPARED_ROWS) for high in (5_000, 3_000, 6, 10**9)]
    path = folder / "rows.csv"
    np.savetxt(path, np.stack(columns, axis=1), "%d", ",", header="user,item,rating,timestamp", comments="")
    began = time.monotonic()
    prepare(own_source("rows"), given=path, folder=folder / "rows", cache=folder, own=OwnData())
    return PREPARED_ROWS / (time.monotonic() - began)


def trained(
    recipe: Recipe,
    name: str,
    stage: Stage,
    data: Interactions,
    system: System,
    place: Workspace,
    plugins: Plugins,
    seconds: float,
) -> Figure | None:
    """Rows a second of one stage, whatever its parts know; None for a closed form."""
    alone = stage.model_copy(update={"epoch_steps": ENDLESS, "epochs": 1, "guard": False, "load": {}})
    only = replace(recipe, stages={name: alone})
    chain = make_chain(only, data, system, find_place(place.runs, only, data.sha256), place, plugins)
    if chain.objective(alone).learns == "all":
        return None
    pace = Pace(seconds)
    plugins.add(pace, "pace")
    try:
        with contextlib.suppress(StoppedError):
            chain.train()
    finally:
        plugins.remove("pace")
    unit = "sequences/s" if chain.objective(alone).learns == "sequences" else "rows/s"
    return Figure(f"training, stage {name}", pace.steps_per_second * stage.batch_size, unit)


def answered(
    recipe: Recipe, data: Interactions, system: System, place: Workspace, plugins: Plugins, seconds: float
) -> Iterator[Figure]:
    """Validation rows a second, and the intervals of their figures."""
    chain = make_chain(recipe, data, system, find_place(place.runs, recipe, data.sha256), place, plugins)
    recommender = system.strategy.recommender(final_objective(recipe, plugins))
    unit = "rows/s" if recipe.task == "like" else "users/s, each over the whole catalogue"
    rows, rate = asked(chain.examiner, recommender, system.strategy.history_length, seconds)
    yield Figure("scoring", rate, unit)
    task = chain.examiner.task
    answers = chain.examiner.answer(recommender, rows, "bench", system.strategy.history_length)
    began = time.monotonic()
    resample(task.statistics(answers, rows))
    yield Figure(f"figures with intervals, {len(rows):,} rows", time.monotonic() - began, "s")


def asked(examiner: Examiner, recommender: Recommender, length: int, seconds: float) -> tuple[Ints, float]:
    """Twice as many rows each time, until they take long enough."""
    every = examiner.task.data.of("valid")
    count = min(64, len(every))
    while True:
        began = time.monotonic()
        examiner.answer(recommender, every[:count], "bench", length)
        passed = time.monotonic() - began
        if passed > seconds / 2 or count == len(every):
            return every[:count], count / passed
        count = min(2 * count, len(every))


def read(reader: TextEmbedder, data: Interactions, seconds: float) -> Figure:
    """Texts that nobody has read before, so that none is in the cache."""
    salt = time.time_ns()
    count = 32
    while True:
        texts = [f"{data.titles[number % data.n_items]} {salt + number}" for number in range(count)]
        began = time.monotonic()
        reader.embed_texts(texts)
        passed = time.monotonic() - began
        if passed > seconds / 2 or count >= TEXTS:
            return Figure("reading titles to vectors", count / passed, "texts/s")
        count *= 2
        salt += count
