"""A resolved recipe as TOML, behind each value who said it. What is written loads as the same recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sasrec_llm.recipe.models import SECTIONS, TABLES, Recipe
from sasrec_llm.recipe.origins import Traced, plain, values
from sasrec_llm.recipe.toml import dotted, toml

WIDE = 48  # columns before the origins; longer values push only their own


def write(traced: Traced) -> str:
    lines = [*_lines(traced)]
    width = max((len(text) for text, _ in lines if len(text) <= WIDE), default=0)
    return "\n".join(f"{text:<{width}}  # {origin}" if origin else text for text, origin in lines)


def _lines(traced: Traced) -> Iterator[tuple[str, str]]:
    """(text, origin); no origin for a heading."""
    table, meant = traced.recipe.dump(), implied(traced.recipe)
    yield from _values(traced, (), {key: value for key, value in table.items() if key not in TABLES}, meant)
    headed: list[tuple[tuple[str, ...], Any]] = [((key,), table[key]) for key in ("data", *SECTIONS) if key in table]
    headed += [(("stages", name), stage) for name, stage in table["stages"].items()]
    headed.append((("evaluate",), table["evaluate"]))
    if "search" in traced.said:
        headed.append((("search",), plain(traced.said["search"])))
    for path, inner in headed:
        yield "", ""
        yield f"[{dotted(path)}]", ""
        yield from _values(traced, path, inner, meant)


def _values(
    traced: Traced, above: tuple[str, ...], table: Mapping[str, Any], meant: Mapping[tuple[str, ...], tuple[Any, str]]
) -> Iterator[tuple[str, str]]:
    """What is not set has a line, too, but one that TOML does not read."""
    for path, value in values(table):
        whole, name = above + path, dotted(path)
        if value is not None:
            yield f"{name} = {toml(value)}", traced.origin(whole)
        elif whole in meant:
            follows, why = meant[whole]
            yield f"# {name} = {toml(follows)}", why
        else:
            yield f"# {name}", f"{traced.origin(whole)}: not set"


def implied(recipe: Recipe) -> dict[tuple[str, ...], tuple[Any, str]]:
    """What follows where nothing is set, and from what."""
    of_task = f"of the task {recipe.task}"
    return {
        ("data", "task"): (recipe.task, f"of the protocol {recipe.data.protocol}"),
        ("evaluate", "subsets"): (recipe.subsets, of_task),
        ("evaluate", "metrics"): (recipe.metrics, of_task),
        ("evaluate", "floors"): (recipe.floors, of_task),
        **{("stages", name, "metric"): (recipe.metric(stage), of_task) for name, stage in recipe.stages.items()},
    }
