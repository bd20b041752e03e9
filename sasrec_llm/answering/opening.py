"""Opening a finished run: its data and its parts, or an export, which has both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sasrec_llm.answering.index import FILE, read_index
from sasrec_llm.answering.kept import Kept, read_kept
from sasrec_llm.answering.loaded import LoadedRun
from sasrec_llm.data.names import read_names
from sasrec_llm.data.training import Training
from sasrec_llm.devices import Device, choose_device
from sasrec_llm.durable import digest, read_json, verify
from sasrec_llm.errors import DamagedError, RunError
from sasrec_llm.interfaces import Member, Strategy
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Recipe
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.runs import Run, Workspace
from sasrec_llm.runs.lookup import find_run
from sasrec_llm.strategies.assemble import assemble
from sasrec_llm.systems import final_objective, open_data, restore, world
from sasrec_llm.train.identity import about_part
from sasrec_llm.train.parts import load_part

EXPORT = "export.json"
VERSION = 1
CANDIDATES = 100  # items that a language model is asked about one by one, unless said otherwise


@dataclass(frozen=True, slots=True)
class Opened:
    """A finished run's parts, and what it knows of its data."""

    name: str
    folder: Path
    recipe: Recipe
    objective: str
    strategy: Strategy
    device: Device
    kept: Kept

    def loaded(self, candidates: int = CANDIDATES) -> LoadedRun:
        found = LoadedRun(
            name=self.name,
            folder=self.folder,
            data=self.kept.data,
            training=self.kept.training,
            names=self.kept.names,
            strategy=self.strategy,
            objective=self.objective,
            device=self.device,
            now=self.kept.now,
            candidates=candidates,
            batch_size=self.recipe.evaluate.batch_size,
        )
        if (self.folder / FILE).is_file():
            found.index = read_index(self.folder, found.item_vectors())
        return found


def load(name: str | None, workspace: Workspace, plugins: Plugins, candidates: int = CANDIDATES) -> LoadedRun:
    """A finished run by what people call it, or the folder of an export."""
    if name and (Path(name) / EXPORT).is_file():
        return open_export(Path(name), workspace, plugins).loaded(candidates)
    return open_run(find_run(workspace.runs, name), workspace, plugins).loaded(candidates)


def open_run(found: Run, workspace: Workspace, plugins: Plugins) -> Opened:
    recipe = here(check_recipe(found.resolved(), str(found.folder / "resolved.json"), plugins))
    data = open_data(recipe, workspace, plugins)
    chain = restore(found, recipe, data, workspace, plugins)
    kept = Kept(data, Training(data), read_names(workspace.data / data.name, data), int(data.rows.times.max()) + 1)
    objective = final_objective(recipe, plugins)
    return Opened(found.name, found.folder, recipe, objective, chain.strategy, chain.examiner.device, kept)


def open_export(folder: Path, workspace: Workspace, plugins: Plugins) -> Opened:
    """Nothing is needed but the folder, and the hub for a backbone that is not in it."""
    verify(folder)
    return _open(folder, read_kept(folder), workspace, plugins)


def _open(folder: Path, kept: Kept, workspace: Workspace, plugins: Plugins) -> Opened:
    about = read_json(folder / EXPORT)
    if about.get("version") != VERSION:
        raise RunError(
            f"{folder} was exported by srl {about.get('srl', '?')} as version {about.get('version', '?')}; "
            f"this one reads version {VERSION}",
            hint="Install that srl, or export the run again",
        )
    table = inside(read_json(folder / "recipe.json"), folder)
    recipe = here(check_recipe(table, str(folder / "recipe.json"), plugins))

    def member(name: str) -> Member:
        if name not in about["members"]:
            raise DamagedError(f"{folder} has no member {name}")
        found = _open(folder / "members" / Path(about["members"][name]).name, kept, workspace, plugins)
        return Member(
            name=name,
            identity=digest(read_json(found.folder / EXPORT)),
            recommender=found.strategy.recommender(found.objective),
            history_length=found.strategy.history_length,
        )

    context = replace(world(recipe, kept.data, kept.training, workspace, plugins), member=member)
    strategy, _ = assemble(recipe.choices, context, plugins)
    parts = strategy.parts()
    for place in sorted((folder / "parts").glob("*")):
        if place.name not in parts:
            raise DamagedError(f"{place}: {recipe.strategy.use} has no such part")
        load_part(place, parts[place.name], about_part(recipe, kept.data, place.name))
    return Opened(about["name"], folder, recipe, about["objective"], strategy, choose_device(recipe.head), kept)


def here(recipe: Recipe) -> Recipe:
    """On whatever this machine computes with: answering is not training."""
    return replace(recipe, head=recipe.head.model_copy(update={"device": "auto", "precision": "auto"}))


def inside(table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Paths of an exported recipe, from the export's own folder on."""
    found = {name: dict(value) if isinstance(value, dict) else value for name, value in table.items()}
    for section, key in (("backbone", "model"), ("strategy", "template")):
        value = found.get(section, {}).get(key)
        if isinstance(value, str) and value.startswith("./"):
            found[section][key] = str(folder / value)
    return found
