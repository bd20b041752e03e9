"""A suite: recipes on the same rows, run one after the other, that end in one comparison. A recipe with several seeds
is a suite of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from sasrec_llm.components import Settings
from sasrec_llm.errors import RecipeError
from sasrec_llm.plugins import Plugins
from sasrec_llm.protocols import FOLDS, Subset
from sasrec_llm.recipe.check import check_recipe, checked
from sasrec_llm.recipe.file import apply, read_toml
from sasrec_llm.recipe.fit import Problems
from sasrec_llm.recipe.installed import find_recipe
from sasrec_llm.recipe.merge import merge
from sasrec_llm.recipe.models import SECTIONS, Recipe, Seed
from sasrec_llm.recipe.origins import Traced, finish, read, told


class SuiteSettings(Settings):
    """The keys of a suite file."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    recipes: list[str] = Field(min_length=1, description="in the order they run: paths from this file, or names")
    seeds: list[Seed] | None = Field(None, min_length=1, description="every recipe with each of them")
    common: dict[str, Any] = Field({}, description="what every recipe takes over; of parts, those that it has")
    reference: str = Field("", description="system that the others are compared with; default: the first recipe's")
    subsets: list[Subset] = Field(["all", "warm", "cold"], min_length=1)


@dataclass(frozen=True, slots=True)
class Suite:
    """What is run: for each label a recipe for each seed."""

    name: str
    recipes: Mapping[str, Sequence[Recipe]]
    given: Mapping[str, str]  # label -> the recipe file's text
    subsets: Sequence[str]
    reference: str = ""

    def in_slices(self, count: int) -> Suite:
        """Every recipe's steps in so many slices at least."""
        recipes = {label: [recipe.in_slices(count) for recipe in found] for label, found in self.recipes.items()}
        return replace(self, recipes=recipes)


def is_suite(path: Path, plugins: Plugins) -> bool:
    return "recipes" in read_toml(path, plugins)


def read_suite(path: Path, plugins: Plugins) -> SuiteSettings:
    problems: Problems = []
    settings = checked(SuiteSettings, read_toml(path, plugins), "", problems)
    if settings is None:
        raise RecipeError(str(path), problems)
    return settings


def load_suite(path: Path, overrides: Sequence[str], plugins: Plugins) -> Suite:
    """Every recipe checked; all problems of all of them at once."""
    settings = read_suite(path, plugins)
    problems: Problems = []
    recipes: dict[str, list[Recipe]] = {}
    given: dict[str, str] = {}
    for name in settings.recipes:
        file = find_recipe(Path(name), plugins, here=path.parent)
        try:
            table = apply(overlay(read_toml(file, plugins), settings.common), overrides)
            recipe = check_recipe(table, str(file), plugins)
        except RecipeError as error:
            problems += [(f"{name}: {key}", text) for key, text in error.problems]
            continue
        if recipe.head.name in recipes:
            problems.append(("recipes", f"{name} has the name of another recipe here: {recipe.head.name}"))
        recipes[recipe.head.name] = repeats(recipe, settings.seeds)
        given[recipe.head.name] = file.read_text(encoding="utf-8")
    problems += [("recipes", text) for text in different_questions(recipes)]
    if problems:
        raise RecipeError(str(path), problems)
    return Suite(settings.name, recipes, given, settings.subsets, settings.reference)


def trace_suite(path: Path, overrides: Sequence[str], plugins: Plugins) -> list[Traced]:
    """Its recipes, each with who said what: `common` and `seeds` are said by the suite."""
    settings = read_suite(path, plugins)
    common = told({**settings.common, **({"seeds": settings.seeds} if settings.seeds else {})}, path.name)
    files = [find_recipe(Path(name), plugins, here=path.parent) for name in settings.recipes]
    return [finish(overlay(read(file, plugins), common), overrides, str(file), plugins) for file in files]


def repeated(recipe: Recipe, given: str) -> Suite:
    """One recipe, once for each of its seeds and folds."""
    name = recipe.head.name
    return Suite(name, {name: repeats(recipe)}, {name: given}, recipe.subsets, recipe.reference)


def repeats(recipe: Recipe, seeds: Sequence[int] | None = None) -> list[Recipe]:
    """The runs that a recipe stands for: with each seed, on each fold."""
    data, head = recipe.data, recipe.head
    folds = range(1, (data.folds or FOLDS) + 1) if recipe.in_folds else [data.fold]
    return [
        replace(
            recipe,
            head=head.model_copy(update={"seed": seed, "seeds": None}),
            data=data.model_copy(update={"fold": fold}),
        )
        for seed in seeds or head.seeds or [head.seed]
        for fold in folds
    ]


def overlay(table: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    return merge(table, {key: value for key, value in common.items() if key not in SECTIONS or key in table})


def different_questions(recipes: Mapping[str, Sequence[Recipe]]) -> list[str]:
    """A comparison is of systems that were asked the same."""
    asked = {label: (found[0].data.use, found[0].data.protocol, found[0].task) for label, found in recipes.items()}
    first = next(iter(asked.items()), None)
    return [
        f"{label} asks {' '.join(what)}, but {first[0]} asks {' '.join(first[1])}: they cannot be compared"
        for label, what in asked.items()
        if first and what != first[1]
    ]
