"""What recipes are installed, and what each is for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sasrec_llm.errors import SrlError
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.file import read_toml
from sasrec_llm.recipe.installed import Installed, installed


@dataclass(frozen=True, slots=True)
class Listed:
    name: str
    path: Path
    summary: str  # the first line of its comment
    data: str  # the dataset that it needs


def listed(plugins: Plugins) -> list[Listed]:
    """Recipes and suites; one that cannot be read says why."""
    return [listing(one, plugins) for one in installed(plugins) if not one.describes_data]


def listing(one: Installed, plugins: Plugins) -> Listed:
    try:
        table = read_toml(one.path, plugins)
    except SrlError as error:
        return Listed(one.name, one.path, " ".join(str(error).split()), "")
    return Listed(one.name, one.path, summary(one.path) or str(table.get("name", "")), data_of(table))


def summary(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((line.lstrip("# ") for line in lines if line.startswith("# ")), "")


def data_of(table: dict[str, Any]) -> str:
    """Of a recipe, or of all recipes of a suite."""
    for above in (table, table.get("common")):
        data = above.get("data") if isinstance(above, dict) else None
        if isinstance(data, dict):
            return str(data.get("use", ""))
    return ""
