"""The `[search]` table. Every value that it names is tried in the recipe, so that what cannot work is found at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field, model_validator

from sasrec_llm.components import Settings
from sasrec_llm.errors import RecipeError
from sasrec_llm.plugins import Plugins, suggestion
from sasrec_llm.recipe.check import check_recipe, checked
from sasrec_llm.recipe.data import Data
from sasrec_llm.recipe.fit import Problems, unfit_metric
from sasrec_llm.recipe.merge import put
from sasrec_llm.recipe.models import Recipe, task_of
from sasrec_llm.recipe.space import Range, Search

UNLIKE = "would make trials that are not judged alike"
FIXED = {
    "name": "names the run",
    "seed": "a seed is not chosen by its figure",
    "seeds": "a seed is not chosen by its figure",
    "device": "is where it runs",
    "precision": "is how it runs",
    "data.use": UNLIKE,
    "data.protocol": UNLIKE,
    "data.task": UNLIKE,
    "data.history": UNLIKE,
}
OF_STAGE = ("metric", "valid_rows")  # these, too, decide how a trial is judged


class Keys(Settings):
    """The keys of `[search]` that are not key paths."""

    metric: str | None = Field(None, description="validation metric that judges a trial; default: the last stage's")
    startup: int = Field(5, ge=0, description="trials that run to their end before any is cut short")


class Ends(Range):
    """A range as it is written: whole where both ends are."""

    @model_validator(mode="before")
    @classmethod
    def _whole_ends(cls, given: Any) -> Any:
        ends = [given.get("low"), given.get("high")]
        return {"whole": all(type(end) is int for end in ends)} | given

    @model_validator(mode="after")
    def _makes_sense(self) -> Ends:
        if not self.low < self.high:
            raise ValueError(f"low must be below high (got {self.low:g} and {self.high:g})")
        if self.log and self.low <= 0:
            raise ValueError(f"low must be above 0 for a logarithm (got {self.low:g})")
        if self.whole and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError("whole numbers need whole ends")
        return self


def check_all(table: Mapping[str, Any], where: str, plugins: Plugins) -> Recipe:
    """The recipe with its search, or one `RecipeError` with everything that is wrong with either."""
    if "search" not in table:
        return check_recipe(table, where, plugins)
    problems = problems_of(table, plugins)
    search = check_search(table, problems, plugins)
    if problems or not search:
        raise RecipeError(where, problems)
    return replace(check_recipe(table, where, plugins), search=search)


def problems_of(table: Mapping[str, Any], plugins: Plugins) -> Problems:
    try:
        check_recipe(table, "", plugins)
    except RecipeError as error:
        return error.problems
    return []


def check_search(table: Mapping[str, Any], problems: Problems, plugins: Plugins) -> Search | None:
    """`problems` holds those of the recipe itself; those of the search are added."""
    given = table["search"]
    if not isinstance(given, dict):
        problems.append(("search", f"must be a table (got {given!r})"))
        return None
    known = list(problems)

    def try_out(path: str, value: Any, at: str) -> None:
        """Put the value into the recipe; what is wrong with it then is wrong with the search."""
        for found, text in problems_of(put(table, path, value), plugins):
            if (found, text) not in known:
                problem = (at, text if found == path else f"{found}: {text}")
                problems.extend([problem] if problem not in problems else [])

    named = {key: value for key, value in given.items() if key in Keys.model_fields}
    keys = checked(Keys, named, "search", problems)
    data = checked(Data, table.get("data"), "data", [])
    task = task_of(data) if data else None
    if isinstance(named.get("metric"), str) and (text := unfit_metric(named["metric"], task, plugins)):
        problems.append(("search.metric", text))
    space: dict[str, Range | tuple[Any, ...]] = {}
    for path, value in leaves({key: value for key, value in given.items() if key not in Keys.model_fields}):
        at = f"search.{path}"
        if text := refused(path, table):
            problems.append((at, text))
        elif isinstance(value, dict):
            ends = checked(Ends, value, at, problems)
            if ends:
                space[path] = Range.model_validate(ends.model_dump())
                for end in (ends.low, ends.high):
                    try_out(path, int(end) if ends.whole else end, at)
        elif text := unfit(value):
            problems.append((at, text))
        else:
            space[path] = tuple(value)
            for choice in value:
                try_out(path, choice, at)
    if not space and problems == known:
        problems.append(("search", 'names nothing to try, such as "stages.NAME.lr" = { low = 1e-4, high = 1e-2 }'))
    return Search(space, keys.metric, keys.startup) if keys else None


def leaves(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """(key path, choices or range), whether the path is written as one quoted key or as tables in tables."""
    for key, value in table.items():
        path = f"{above}{key}"
        if isinstance(value, dict) and not value.keys() & Range.model_fields.keys() and value:
            yield from leaves(value, f"{path}.")
        else:
            yield path, value


def refused(path: str, table: Mapping[str, Any]) -> str:
    """Why a key is not one to search; empty where it may be."""
    first, *rest = path.split(".")
    if path in FIXED:
        return f"cannot be searched: {FIXED[path]}"
    if first == "evaluate" or (first == "stages" and rest[1:] and rest[1] in OF_STAGE):
        return f"cannot be searched: {UNLIKE}"
    stages = table.get("stages", {})
    if first == "stages" and isinstance(stages, dict) and rest and rest[0] not in stages:
        return f"there is no stage {rest[0]!r}{suggestion(rest[0], list(stages))}"
    return ""


def unfit(value: Any) -> str:
    """Why something is not a list of choices; empty where it is."""
    if not isinstance(value, list) or not value:
        return f"must be a list of choices, or {{ low = ..., high = ... }} (got {value!r})"
    if any(isinstance(choice, dict) for choice in value):
        return "choices must be numbers, strings, true or false, or lists; search the keys of a table one by one"
    written = [json.dumps(choice, default=str) for choice in value]
    twice = sorted({text for text in written if written.count(text) > 1})
    return f"names {twice[0]} twice" if twice else ""
