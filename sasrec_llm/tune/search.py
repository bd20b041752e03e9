"""A search: trial after trial until there are enough, the best one kept.

runs/tune-NAME-HASH/
  study.journal           what was tried: the same command goes on from it
  trials/KEY/stages/      of the best trial, and of one that was interrupted
  best.toml               the recipe with the values of the best one
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sasrec_llm.durable import digest, remove_folder
from sasrec_llm.errors import DataError, ModelError, NonFiniteError, RecipeError, RunError, StoppedError, UsageError
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.space import Range, Search
from sasrec_llm.runs import Run, Workspace
from sasrec_llm.systems import open_data
from sasrec_llm.tune.best import write_best
from sasrec_llm.tune.question import Question
from sasrec_llm.tune.study import Study, Tried
from sasrec_llm.tune.trial import changed, judged_by, score

Around = Callable[[int, Mapping[str, Any]], AbstractContextManager[None]]  # number and values of a trial
Told = Callable[[Tried, Tried | None], None]  # what has ended, and the best so far


@dataclass(frozen=True, slots=True)
class Searched:
    """A search so far."""

    folder: Path
    study: Path
    metric: str
    trials: list[Tried]  # the finished ones, best first, then the others
    best: Path  # a recipe, once a trial has finished


def search(
    question: Question,
    workspace: Workspace,
    plugins: Plugins,
    *,
    trials: int,
    study: Path | None = None,
    minutes: float | None = None,
    around: Around,
    told: Told,
) -> Searched:
    """Go on until `trials` have ended, or begin none after so many `minutes`."""
    recipe, began = question.recipe, time.monotonic()
    metric, data = judged_by(question), open_data(recipe, workspace, plugins)
    key = digest([recipe.identity(), dumped(question.search), metric, data.sha256])[:6]
    folder = workspace.runs / f"tune-{recipe.head.name}-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    file = study or folder / "study.journal"
    with Run(folder).lock():
        memory = Study(
            file=file,
            name=folder.name,
            search=question.search,
            larger_is_better=plugins.get("metrics", metric).larger_is_better,
            seed=recipe.head.seed,
            first=own_values(recipe.dump(), question.search),
        )
        while (done := len(memory.tried())) < trials:
            if minutes is not None and time.monotonic() - began > 60 * minutes:
                break
            values = memory.ask()
            with around(done + 1, values):
                attempt(question, metric, values, memory, folder, workspace, plugins)
            tidy(question, metric, memory, folder)
            told(memory.tried()[-1], memory.best())
        found = memory.tried()
        finished = sorted((trial for trial in found if trial.ended == "finished"), key=memory.order)
        others = [trial for trial in found if trial.ended != "finished"]
        return Searched(folder, file, metric, [*finished, *others], folder / "best.toml")


def dumped(search: Search) -> dict[str, Any]:
    """The search as plain values; another space is another study."""
    space = {path: found.model_dump() if isinstance(found, Range) else found for path, found in search.space.items()}
    return {"space": space, "startup": search.startup}


def own_values(recipe: Mapping[str, Any], search: Search) -> dict[str, Any]:
    """What the recipe itself says of what is searched, as far as the search would try it."""
    found: dict[str, Any] = {}
    for path, space in search.space.items():
        value: Any = recipe
        for key in path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(space, Range):
            allowed = isinstance(value, int | float) and space.low <= value <= space.high
        else:
            allowed = value in space
        if allowed:
            found[path] = value
    return found


def attempt(
    question: Question,
    metric: str,
    values: Mapping[str, Any],
    memory: Study,
    folder: Path,
    workspace: Workspace,
    plugins: Plugins,
) -> None:
    """Run the trial and remember how it ended; what was tried before need not be run again."""
    began = time.monotonic()
    changes = changed(question, values)
    same = next((trial for trial in memory.tried() if trial.values == values), None)
    if same:
        memory.tell(same.ended, figure=same.figure, why=same.why)
        return
    try:
        figure = score(
            question.table, changes, metric, place(folder, values), workspace, plugins, hopeless=memory.hopeless
        )
    except StoppedError:
        memory.tell("pruned", seconds=time.monotonic() - began)
    except (DataError, ModelError, RunError):  # no other values would mend that
        memory.give_up()
        raise
    except (NonFiniteError, UsageError) as error:
        why = "; ".join(map(": ".join, error.problems)) if isinstance(error, RecipeError) else str(error)
        memory.tell("unfit", seconds=time.monotonic() - began, why=why)
    except BaseException:  # also when interrupted
        memory.give_up()
        raise
    else:
        memory.tell("finished", figure=figure, seconds=time.monotonic() - began)


def place(folder: Path, values: Mapping[str, Any]) -> Path:
    """Where a trial is trained. An interrupted one is found again by its values."""
    return folder / "trials" / digest(dict(values))[:8]


def tidy(question: Question, metric: str, memory: Study, folder: Path) -> None:
    """Write the best values as a recipe, and keep no other trial's weights."""
    best = memory.best()
    kept = place(folder, best.values) if best else None
    if best:
        write_best(
            folder / "best.toml",
            recipe=question.file,
            name=question.recipe.head.name,
            overrides=question.overrides,
            changes=changed(question, best.values),
            about=f"Trial {best.number} of {len(memory.tried())}: {metric} {best.figure:.4f} on validation",
        )
    for found in (folder / "trials").glob("*"):
        if found != kept:
            remove_folder(found)
