"""What is searched. Imports nothing heavy, so that what is wrong with it is said at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sasrec_llm.errors import UsageError
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Recipe
from sasrec_llm.recipe.file import apply, read_toml
from sasrec_llm.recipe.search import check_all
from sasrec_llm.recipe.space import Search


@dataclass(frozen=True, slots=True)
class Question:
    """A recipe file, what was set beside it, and both as one."""

    file: Path
    overrides: Sequence[str]
    table: Mapping[str, Any]
    recipe: Recipe
    search: Search


def read_question(file: Path, overrides: Sequence[str], plugins: Plugins) -> Question:
    table = apply(read_toml(file, plugins), overrides)
    recipe = check_all(table, str(file), plugins)
    if recipe.search is None:
        raise UsageError(
            f"{file} has no [search] table, which says what to try",
            hint='For example:\n[search]\n"stages.NAME.lr" = { low = 1e-4, high = 1e-2, log = true }\n'
            '"encoder.width" = [32, 64, 128]',
        )
    return Question(file, overrides, table, recipe, recipe.search)
