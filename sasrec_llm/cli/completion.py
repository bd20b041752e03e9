"""What the shell offers behind TAB: names, found without opening a file. Where there is none of ours, as for paths, it
offers files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import get_args

from sasrec_llm.components import KINDS
from sasrec_llm.plugins import plugins
from sasrec_llm.protocols import Subset
from sasrec_llm.recipe.installed import installed

Complete = Callable[[str], list[str]]


def starting(names: Callable[[], Iterable[str]]) -> Complete:
    """Those of the names that begin with what is typed; none where they cannot be listed."""

    def complete(incomplete: str) -> list[str]:
        with contextlib.suppress(OSError):
            return sorted({name for name in names() if name.startswith(incomplete)})
        return []

    return complete


def _recipes() -> Iterable[str]:
    yield from (found.name for found in installed(plugins()) if not found.describes_data)
    yield from map(str, Path().glob("*.toml"))


def _copied() -> Iterable[str]:
    yield from (found.name for found in installed(plugins()))


def _runs(*marks: str) -> Iterable[str]:
    """Names of folders with such a file, and of the recipes they are of; of all that `srl runs` knows without any."""
    from sasrec_llm.runs import Workspace
    from sasrec_llm.runs.states import MARKS, NAMED

    runs = Workspace.from_environment().runs
    for path in (found for mark in marks or MARKS for found in runs.glob(f"[!.]*/{mark}")):
        yield path.parent.name
        if named := NAMED.fullmatch(path.parent.name):
            yield named[1]


def _prepared() -> Iterable[str]:
    from sasrec_llm.runs import Workspace

    yield from (path.parent.name for path in Workspace.from_environment().data.glob("*/card.json"))


def _sources() -> Iterable[str]:
    yield from plugins().offers("sources")
    yield from plugins().described()
    yield from map(str, Path().glob("[!.]*.*"))  # files to prepare


recipe_names = starting(_recipes)
copied_names = starting(_copied)
finished_runs = starting(lambda: _runs("metrics.json"))
run_names = starting(_runs)
diff_names = starting(lambda: [*_recipes(), *_runs("resolved.json")])
dataset_names = starting(_prepared)
source_names = starting(_sources)
kinds = starting(lambda: KINDS)
subset_names = starting(lambda: get_args(Subset))
plugin_names = starting(lambda: (row.name for row in plugins().rows))
