"""A recipe, a suite or a description of data, copied to where it is changed."""

from __future__ import annotations

from pathlib import Path

from sasrec_llm.durable import write_text
from sasrec_llm.errors import UsageError
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.file import parse
from sasrec_llm.recipe.installed import find_recipe, name_from


def copy_recipe(given: Path, to: Path | None, plugins: Plugins, *, force: bool = False) -> tuple[Path, Path]:
    """(what was copied, the copy). The recipes that it names are named so that they are found from the copy."""
    source = find_recipe(given, plugins, data=True)
    target = to or Path(source.name)
    if target.suffix != ".toml":  # a folder
        target /= source.name
    if target.exists() and not force:
        raise UsageError(f"there is a {target} already", hint="Name another place, or write over it: --force")
    write_text(target, moved(source, target.parent, plugins))
    return source, target


def moved(source: Path, here: Path, plugins: Plugins) -> str:
    """The text of a file as it must be in another folder. What it names by path is named anew."""
    table, text = parse(source), source.read_text(encoding="utf-8")
    members = table.get("recipes")
    for old in [table.get("extends"), *(members if isinstance(members, list) else [])]:
        if isinstance(old, str) and (source.parent / old).is_file():
            new = name_from(here, source.parent / old, plugins)
            text = text.replace(f'"{old}"', f'"{new}"').replace(f"'{old}'", f"'{new}'")
    return text
