"""The best trial as a recipe: the one that was searched, with the values that won."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sasrec_llm.durable import write_text
from sasrec_llm.recipe.file import apply
from sasrec_llm.recipe.merge import put
from sasrec_llm.recipe.toml import key, toml


def write_best(
    path: Path, *, recipe: Path, name: str, overrides: Sequence[str], changes: Mapping[str, Any], about: str
) -> None:
    """`overrides`: what was given by --set beside the recipe."""
    table = apply({}, overrides)
    table.pop("search", None)
    for changed, value in {**changes, "name": f"{name}-tuned"}.items():
        table = put(table, changed, value)
    below = Path(os.path.relpath(recipe.resolve(), path.parent.resolve())).as_posix()
    lines = [f"# {about}", "#", f"# Run: srl run {path}", "", f"extends = {toml(below)}", *sorted(written(table))]
    write_text(path, "\n".join(lines) + "\n")


def written(table: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """`stages.align.lr = 0.001`, a line for each value."""
    for name, value in table.items():
        path = above + key(name)
        if isinstance(value, dict) and value:
            yield from written(value, f"{path}.")
        else:
            yield f"{path} = {toml(value)}"
