"""What the commands do: run a recipe to its report, score a finished run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sasrec_llm.components import BuildContext, MetricComponent, StrategyComponent, resolve
from sasrec_llm.data.interactions import Interactions, load_interactions
from sasrec_llm.data.prepare import prepare
from sasrec_llm.devices import Device, choose_device
from sasrec_llm.durable import read_json, write_json, write_text
from sasrec_llm.errors import DataError, RunError
from sasrec_llm.evaluate.results import Logits, Table, measure, save_predictions
from sasrec_llm.evaluate.scoring import score_rows
from sasrec_llm.evaluate.subsets import subset
from sasrec_llm.interfaces import Metric, Strategy
from sasrec_llm.plugins import Plugins, suggestion
from sasrec_llm.recipe import Choice, Recipe
from sasrec_llm.recipe_check import check_recipe
from sasrec_llm.report.tables import plain
from sasrec_llm.runs import LogWriter, Run, Workspace, open_run, write_manifest
from sasrec_llm.strategies.assemble import assemble, make
from sasrec_llm.train.stages import EVALUATED, Chain


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished run and its figures."""

    run: Run
    system: str
    tables: Mapping[str, list[Table]]  # split -> one table for each subset


def run(recipe: Recipe, given: str, workspace: Workspace, plugins: Plugins) -> Outcome:
    """Train what is not trained yet, score the test rows once, and leave everything in the run's folder."""
    data = open_data(recipe, workspace, plugins)
    system = build(recipe, data, workspace, plugins)  # before the folder: what cannot be built leaves no trace
    found = open_run(workspace.runs, recipe, data.sha256, given)
    with found.lock():
        about = {"name": data.name, "protocol": data.protocol, "history": data.history_rule, "sha256": data.sha256}
        write_manifest(found, about, str(system.device), plugins)
        chain = make_chain(recipe, data, system, found, workspace, plugins)
        plugins.add(LogWriter(found), "log")
        try:
            scores = name_systems(recipe, chain, plugins)
        finally:
            plugins.remove("log")
        scores |= floors(recipe, system.context, chain, plugins)
        outcome = Outcome(found, recipe.head.name, tables(recipe, data, scores, chain.metrics))
        keep(outcome, recipe, data, scores)
    return outcome


def evaluate(found: Run, subsets: Sequence[str], workspace: Workspace, plugins: Plugins) -> Outcome:
    """Load a finished run's parts and score the test rows of the subsets again."""
    recipe = check_recipe(found.resolved(), str(found.folder / "resolved.json"), plugins)
    data = open_data(recipe, workspace, plugins)
    if data.sha256 != found.manifest()["data"]["sha256"]:
        raise RunError(
            f"{data.name} is not the data that {found.name} was trained on",
            hint=f"Prepare that one again, or: srl run {found.folder / 'recipe.toml'}",
        )
    chain = make_chain(recipe, data, build(recipe, data, workspace, plugins), found, workspace, plugins)
    chain.restore()
    rows = data.of("test")
    wanted = sum(subset(name, data, rows) for name in subsets) > 0
    logits = chain.score(final_objective(recipe, plugins), rows[wanted], recipe.head.name)
    found_tables = measure({recipe.head.name: logits}, data, rows[wanted], subsets, chain.metrics)
    return Outcome(found, recipe.head.name, {"test": found_tables})


def open_data(recipe: Recipe, workspace: Workspace, plugins: Plugins) -> Interactions:
    name, folder = recipe.data.use, workspace.data / recipe.data.use
    if not (folder / "card.json").is_file():
        sources = plugins.offers("sources")
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
    return load_interactions(folder, data.protocol, data.history, data.text, data.text_length)


@dataclass(frozen=True, slots=True)
class System:
    """A recipe's parts, built."""

    strategy: Strategy
    context: BuildContext
    device: Device


def build(recipe: Recipe, data: Interactions, workspace: Workspace, plugins: Plugins) -> System:
    device = choose_device(recipe.head)
    context = BuildContext(
        n_users=data.n_users,
        n_items=data.n_items,
        item_texts=data.titles,
        seed=recipe.head.seed,
        cache=workspace.cache,
        device=device.name,
    )
    return System(assemble(recipe.choices, context, plugins), context, device)


def make_chain(
    recipe: Recipe, data: Interactions, system: System, found: Run, workspace: Workspace, plugins: Plugins
) -> Chain:
    names = dict.fromkeys([*recipe.evaluate.metrics, *(stage.metric for stage in recipe.stages.values())])
    return Chain(
        recipe=recipe,
        plugins=plugins,
        strategy=system.strategy,
        data=data,
        metrics={name: metric(plugins.get("metrics", name)) for name in names},
        device=system.device,
        run=found.name,
        folder=found.folder / "stages",
        others=workspace.runs,
        truncate_log=found.truncate_log,
    )


def metric(component: MetricComponent) -> Metric:
    return resolve(component.measure)


def final_objective(recipe: Recipe, plugins: Plugins) -> str:
    """What the finished system answers with: the objective of its last stage, or, untrained, the strategy's own."""
    if recipe.stages:
        return list(recipe.stages.values())[-1].objective
    strategy: StrategyComponent[Any, Any] = plugins.get("strategies", recipe.strategy.use)
    return list(strategy.objectives)[-1]


def name_systems(recipe: Recipe, chain: Chain, plugins: Plugins) -> dict[str, dict[str, Logits]]:
    """The recipe's own system first, then what each earlier stage could do when it ended."""
    by_stage = chain.train()
    if not by_stage:
        return {recipe.head.name: chain.scores(final_objective(recipe, plugins), recipe.head.name)}
    *earlier, last = by_stage
    named = {recipe.head.name: by_stage[last]}
    return named | {f"after {stage}: {recipe.stages[stage].objective}": by_stage[stage] for stage in reversed(earlier)}


def floors(recipe: Recipe, context: BuildContext, chain: Chain, plugins: Plugins) -> dict[str, dict[str, Logits]]:
    """Closed-form encoders on the same rows; seconds, and always in the table."""
    found = {}
    train = chain.data.take(chain.data.of("train"))
    own = recipe.choices["encoder"].use if recipe.strategy.use == "encoder-only" else ""
    for name in recipe.evaluate.floors:
        if name == own:
            continue
        encoder = make("encoder", Choice(name, plugins.get("encoders", name).settings()), context, plugins)
        encoder.fit(train)
        encoder.to(chain.device.name)
        found[name] = {
            split: score_rows(
                encoder, chain.data, chain.data.of(split), history_length=encoder.history_length,
                device=chain.device, batch_size=8192, who=name,
            )
            for split in EVALUATED
        }  # fmt: skip
    return found


def tables(
    recipe: Recipe, data: Interactions, scores: Mapping[str, Mapping[str, Logits]], metrics: Mapping[str, Metric]
) -> dict[str, list[Table]]:
    wanted = {name: metrics[name] for name in recipe.evaluate.metrics}
    return {
        split: measure(
            {name: by_split[split] for name, by_split in scores.items()},
            data,
            data.of(split),
            recipe.evaluate.subsets,
            wanted,
        )
        for split in EVALUATED
    }


def keep(outcome: Outcome, recipe: Recipe, data: Interactions, scores: Mapping[str, Mapping[str, Logits]]) -> None:
    """predictions.parquet, report.txt, and metrics.json last: with it the run counts as finished."""
    folder = outcome.run.folder
    draft = folder / ".tmp-predictions.parquet"
    save_predictions(draft, data, scores)
    draft.replace(folder / "predictions.parquet")
    write_text(
        folder / "report.txt",
        "\n\n".join(plain(table, split) for split, found in outcome.tables.items() for table in found) + "\n",
    )
    stages = {name: read_json(outcome.run.stage(name) / "result" / "stage.json") for name in recipe.stages}
    write_json(
        folder / "metrics.json",
        {
            "run": outcome.run.name,
            "system": outcome.system,
            "data": {"name": data.name, "protocol": data.protocol, "history": data.history_rule, "sha256": data.sha256},
            "seed": recipe.head.seed,
            **{split: [table.dump() for table in found] for split, found in outcome.tables.items()},
            "stages": stages,
        },
    )
