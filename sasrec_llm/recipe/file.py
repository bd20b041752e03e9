"""TOML to a checked recipe: read, inherit, override."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sasrec_llm.errors import RecipeError, UsageError
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.installed import find_recipe
from sasrec_llm.recipe.merge import merge, put
from sasrec_llm.recipe.models import Recipe
from sasrec_llm.recipe.search import check_all


def load_recipe(path: Path, overrides: Sequence[str], plugins: Plugins) -> Recipe:
    return check_all(apply(read_toml(path, plugins), overrides), str(path), plugins)


def read_toml(path: Path, plugins: Plugins) -> dict[str, Any]:
    """A recipe file as a table, with what it extends underneath."""
    return functools.reduce(merge, (table for _, table in layers(path, plugins)))


def layers(path: Path, plugins: Plugins, above: tuple[Path, ...] = ()) -> list[tuple[Path, dict[str, Any]]]:
    """The tables of a recipe: what it extends, then its own. `above`: the files that extend this one."""
    path = find_recipe(path, plugins)
    table = parse(path)
    base = table.pop("extends", None)
    if base is None:
        return [(path, table)]
    if not isinstance(base, str):
        raise RecipeError(str(path), [("extends", "must be a recipe: its path from here, or its name")])
    try:
        parent = find_recipe(Path(base), plugins, here=path.parent).resolve()
    except UsageError as error:
        raise RecipeError(str(path), [("extends", str(error))]) from error
    if parent in (*above, path.resolve()):
        raise RecipeError(str(path), [("extends", f"{base} extends this recipe: a circle")])
    return [*layers(parent, plugins, (*above, path.resolve())), (path, table)]


def parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(str(path), [("", f"is not TOML: {error}")]) from error


def apply(table: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    for path, value in read_overrides(overrides):
        table = put(table, path, value)
    return table


def read_overrides(overrides: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """`stages.align.epochs=3`: the value is read as TOML and, failing that, as a string."""
    for override in overrides:
        path, equals, text = override.partition("=")
        keys = [key.strip() for key in path.split(".")]
        if not equals or not all(keys):
            raise RecipeError("--set", [(override, "must be KEY.PATH=VALUE")])
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        yield ".".join(keys), value
