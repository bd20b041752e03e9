"""A recipe's data and parts, made ready: opened, built, chained, or taken from a finished run."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sasrec_llm.components import BuildContext, MetricComponent, StrategyComponent, resolve
from sasrec_llm.data.interactions import Interactions, load_interactions
from sasrec_llm.data.prepare import prepare
from sasrec_llm.data.training import Training
from sasrec_llm.devices import Device, choose_device, keep_freed_memory
from sasrec_llm.durable import digest, read_json
from sasrec_llm.errors import DataError, RunError, UsageError
from sasrec_llm.evaluation.examiner import EVALUATED, Examiner
from sasrec_llm.evaluation.task import Task, make_task
from sasrec_llm.interfaces import Backbone, Member, Metric, Scorer, Shardable, Strategy, TrainingData
from sasrec_llm.plugins import Plugins, suggestion
from sasrec_llm.recipe import Choice, Recipe
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.runs import Run, Workspace
from sasrec_llm.runs.lookup import find_run
from sasrec_llm.strategies.assemble import assemble, make
from sasrec_llm.train.stages import Chain


def open_data(recipe: Recipe, workspace: Workspace, plugins: Plugins) -> Interactions:
    if recipe.in_folds:
        raise UsageError("one fold at a time: --set data.fold=1")
    name, folder = recipe.data.use, workspace.data / recipe.data.use
    if not (folder / "card.json").is_file():
        sources = plugins.offers("sources")
        if name in plugins.described():
            raise DataError(f"{name} is not prepared", hint=f"Run: srl data prepare {name} --from FOLDER")
        if name not in sources:
            prepared = sorted(path.parent.name for path in workspace.data.glob("*/card.json"))
            known = sorted({*prepared, *sources})
            raise DataError(
                f"unknown dataset {name!r}{suggestion(name, known)}; prepared: {', '.join(prepared) or 'none'}",
                hint=f"Prepare your own: srl data prepare FILE --name {name}",
            )
        if not sources[name][0].generated:
            hint = f"Run: srl data prepare {name}" + ("" if sources[name][0].url else " --from PATH")
            raise DataError(f"{name} is not prepared", hint=hint)
        prepare(sources[name][0], given=None, folder=folder, cache=workspace.cache)
    data = recipe.data
    return load_interactions(
        folder,
        data.protocol,
        data.history,
        task=recipe.task,
        options=data.options,
        text=data.text,
        text_length=data.text_length,
    )


@dataclass(frozen=True, slots=True)
class System:
    """A recipe's parts, built."""

    strategy: Strategy
    context: BuildContext
    training: Training
    device: Device
    backbone: Backbone | None = None

    @property
    def asked(self) -> Literal["each", "all"]:
        return "all" if isinstance(self.backbone, Shardable) and self.backbone.sharded else "each"


Builder = Callable[[Recipe, Interactions, Workspace, Plugins], System]


def world(
    recipe: Recipe, data: Interactions, training: TrainingData, workspace: Workspace, plugins: Plugins
) -> BuildContext:
    """What the parts of a recipe may know of the data."""
    return BuildContext(
        n_users=data.n_users,
        n_items=data.n_items,
        item_texts=data.titles,
        item_categories=data.categories,
        seed=recipe.head.seed,
        cache=workspace.cache,
        device=choose_device(recipe.head).name,
        data=training,
        task=recipe.task,
        like_at=data.like_at,
        member=lambda name: load_member(name, recipe.head.seed, data, workspace, plugins),
    )


def build(
    recipe: Recipe,
    data: Interactions,
    workspace: Workspace,
    plugins: Plugins,
    home: Callable[[], BuildContext] | None = None,
    *,
    together: bool = False,
) -> System:
    """`home`: the world to learn from, where `data` is only asked about. `together`: see `build_together`."""
    training = Training(data)
    context = replace(world(recipe, data, training, workspace, plugins), home=home, together=together)
    keep_freed_memory()
    strategy, backbone = assemble(recipe.choices, context, plugins)
    return System(strategy, context, training, choose_device(recipe.head), backbone)


def make_chain(
    recipe: Recipe,
    data: Interactions,
    system: System,
    found: Run,
    workspace: Workspace,
    plugins: Plugins,
    splits: tuple[str, ...] = EVALUATED,
) -> Chain:
    names = dict.fromkeys([*recipe.metrics, *(recipe.metric(stage) for stage in recipe.stages.values())])
    task = task_for(recipe, data, plugins, list(names))
    return Chain(
        recipe=recipe,
        plugins=plugins,
        strategy=system.strategy,
        examiner=Examiner(task, system.device, recipe.evaluate.batch_size, splits, system.asked),
        training=system.training,
        run=found.name,
        folder=found.folder / "stages",
        others=workspace.runs,
        truncate_log=found.truncate_log,
    )


def task_for(recipe: Recipe, data: Interactions, plugins: Plugins, metrics: Sequence[str]) -> Task:
    components = {name: plugins.get("metrics", name) for name in metrics}
    return make_task(
        data,
        {name: metric(component) for name, component in components.items()},
        kept=max((component.at or 0 for component in components.values()), default=0),
        calibration=recipe.evaluate.calibration,
    )


def metric(component: MetricComponent) -> Metric:
    measure = resolve(component.measure)
    return measure if component.at is None else functools.partial(measure, k=component.at)


def final_objective(recipe: Recipe, plugins: Plugins) -> str:
    """What the finished system answers with: the objective of its last stage, or, untrained, the strategy's own."""
    if recipe.stages:
        return list(recipe.stages.values())[-1].objective
    strategy: StrategyComponent[Any, Any] = plugins.get("strategies", recipe.strategy.use)
    return next(reversed(list(strategy.objectives)), "")


def fitted_floors(
    recipe: Recipe, context: BuildContext, chain: Chain, plugins: Plugins
) -> Iterator[tuple[str, Scorer, float]]:
    """The closed-form encoders that stand beside the system, one after the other, fitted on the chain's train rows,
    and the seconds that took; the same in every run, whatever its seed."""
    context = replace(context, seed=0)
    for name in recipe.floors:
        encoder = make("encoder", Choice(name, plugins.get("encoders", name).settings()), context, plugins)
        started = time.monotonic()
        encoder.fit(chain.training.rows())
        seconds = time.monotonic() - started
        encoder.to(chain.examiner.device.name)
        yield name, encoder, seconds


def restore(
    found: Run, recipe: Recipe, data: Interactions, workspace: Workspace, plugins: Plugins, build: Builder = build
) -> Chain:
    """A finished run, its parts loaded; refused on other data than its own."""
    if data.sha256 != found.manifest()["data"]["sha256"]:
        raise RunError(
            f"{data.name} ({data.protocol}, {data.task}) is not the data that {found.name} was trained on",
            hint=f"Prepare that one again, or: srl run {found.folder / 'recipe.toml'}",
        )
    chain = make_chain(recipe, data, build(recipe, data, workspace, plugins), found, workspace, plugins)
    chain.restore()
    return chain


def load_member(name: str, seed: int, data: Interactions, workspace: Workspace, plugins: Plugins) -> Member:
    """A finished run as one voice of an ensemble or a late fusion on the same data; of several seeds, the one's own."""
    found = find_run(workspace.runs, name, data.sha256, seed)
    recipe = check_recipe(found.resolved(), str(found.folder / "resolved.json"), plugins)
    chain = restore(found, recipe, data, workspace, plugins)
    return Member(
        name=found.name,
        identity=digest([found.resolved(), [read_json(path)["identity"] for path in found.stage_files(recipe)]]),
        recommender=chain.strategy.recommender(final_objective(recipe, plugins)),
        history_length=chain.strategy.history_length,
    )
