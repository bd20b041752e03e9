"""A resolved recipe that knows of every value who said it: a file, one that it extends, `--set`, or nobody.

What is said carries its origin through the very merging that makes the recipe.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.file import layers, read_overrides
from sasrec_llm.recipe.merge import merge, put
from sasrec_llm.recipe.models import SECTIONS, Recipe
from sasrec_llm.recipe.search import check_all
from sasrec_llm.recipe.toml import dotted

SET = "--set"


@dataclass(frozen=True, slots=True)
class Said:
    value: Any
    origin: str = field(compare=False)  # merging asks whether the same is said, by whoever


Table = dict[str, Any]  # of `Said`, and of tables


@dataclass(frozen=True, slots=True)
class Traced:
    recipe: Recipe
    said: Table

    def origin(self, path: Sequence[str]) -> str:
        """Who said the value under these keys; where nobody did, whose default it is."""
        found: Any = self.said
        for name in path:
            if isinstance(found, dict):
                found = found.get(name)
        if isinstance(found, Said):
            return found.origin
        return f"default of {self.recipe.choices[path[0]].use}" if path[0] in SECTIONS else "default"

    def dump(self) -> dict[str, Any]:
        """The resolved recipe as plain values, and the origin of each by key path."""
        table = self.recipe.dump()
        return {"recipe": table, "origins": {dotted(path): self.origin(path) for path, _ in values(table)}}


def trace(path: Path, overrides: Sequence[str], plugins: Plugins) -> Traced:
    return finish(read(path, plugins), overrides, str(path), plugins)


def read(path: Path, plugins: Plugins) -> Table:
    """What a recipe and those that it extends say."""
    found = layers(path, plugins)
    once = len({file.name for file, _ in found}) == len(found)
    return functools.reduce(merge, (told(table, file.name if once else str(file)) for file, table in found))


def finish(said: Table, overrides: Sequence[str], where: str, plugins: Plugins) -> Traced:
    for path, value in read_overrides(overrides):
        said = put(said, path, told(value, SET))
    return Traced(check_all(plain(said), where, plugins), said)


def told(value: Any, origin: str) -> Any:
    if isinstance(value, Mapping):
        return {key: told(inner, origin) for key, inner in value.items()}
    return Said(value, origin)


def plain(said: Any) -> Any:
    """What is said, without who says it."""
    if isinstance(said, dict):
        return {key: plain(inner) for key, inner in said.items()}
    return said.value


def values(table: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(keys, value) of all that is no table."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from values(value, (*above, key))
        else:
            yield (*above, key), value
