"""TOML to a checked recipe: read, inherit, override."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sasrec_llm.errors import RecipeError, UsageError
from sasrec_llm.plugins import Plugins, suggestion
from sasrec_llm.recipe.merge import merge, put
from sasrec_llm.recipe.models import Recipe
from sasrec_llm.recipe.search import check_all


def load_recipe(path: Path, overrides: Sequence[str], plugins: Plugins) -> Recipe:
    return check_all(apply(read_toml(path), overrides), str(path), plugins)


def read_toml(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A recipe file as a table, with what it extends underneath."""
    if not path.is_file():
        nearby = sorted(found.name for found in path.parent.glob("*.toml")) if path.parent.is_dir() else []
        close = suggestion(path.name, nearby)
        raise UsageError(f"there is no recipe {path}{close}", hint="List those that are installed: srl recipes list")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(str(path), [("", f"is not TOML: {error}")]) from error
    base = table.pop("extends", None)
    if base is None:
        return table
    if not isinstance(base, str):
        raise RecipeError(str(path), [("extends", "must be the path of a recipe")])
    parent = (path.parent / base).resolve()
    if parent in (*seen, path.resolve()):
        raise RecipeError(str(path), [("extends", f"{base} extends this recipe: a circle")])
    return merge(read_toml(parent, (*seen, path.resolve())), table)


def apply(table: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
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
        table = put(table, ".".join(keys), value)
    return table
