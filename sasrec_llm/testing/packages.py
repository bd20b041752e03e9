"""Everything that a package offers, put to the test."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sasrec_llm.components import KINDS, Source
from sasrec_llm.errors import ComponentError, SrlError
from sasrec_llm.plugins import PluginRow, Plugins, singular
from sasrec_llm.recipe.file import load_recipe
from sasrec_llm.recipe.suite import is_suite, load_suite
from sasrec_llm.testing.components import check_component
from sasrec_llm.testing.finding import find
from sasrec_llm.testing.plugins import check_plugin


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing that was looked at."""

    kind: str
    name: str
    status: str = "ok"  # ok | failed | unchecked
    error: str = ""

    def dump(self) -> dict[str, str]:
        return asdict(self)


def check_package(name: str, known: Plugins) -> Iterator[Checked]:
    """Each plugin, component and recipe of a plugin, a package, a module, or the folder of a package that need not be
    installed. What is wrong with them is told, not raised."""
    for row in find(name, known):
        plugin = known.plugin(row)
        if plugin is None:
            yield Checked("plugin", row.name, "failed", row.error or "SRL_DISABLE_PLUGINS leaves it out")
            continue
        try:
            offered = _offered(row, known)
        except ComponentError as error:  # under SRL_STRICT_PLUGINS
            yield Checked("plugin", row.name, "failed", str(error))
            continue
        first = _tried("plugin", row.name, partial(_check_whole, plugin, row))
        yield first
        for kind, part in offered:
            lacking = _lacking(part)
            if lacking:
                yield Checked(kind, part.name, "unchecked", lacking)
            else:
                yield _tried(kind, part.name, partial(check_component, part, kind=kind, known=known))
        for folder in map(Path, plugin.srl_recipes()) if "srl_recipes" in row.hooks and first.status == "ok" else ():
            for path in sorted(folder.glob("**/*.toml")):
                if path.parent != folder / "data":
                    yield _tried("recipe", str(path.relative_to(folder)), partial(_read, path, known))


def _offered(row: PluginRow, known: Plugins) -> list[tuple[str, Any]]:
    """Its components among those of all others, where a name may be taken."""
    return [(singular(kind), part) for kind in KINDS for part, owner in known.offers(kind).values() if owner is row]


def _check_whole(plugin: object, row: PluginRow) -> None:
    if row.error:
        raise AssertionError(row.error)
    check_plugin(plugin)


def _lacking(part: Any) -> str:
    """What it takes to try it that nobody can guess."""
    if isinstance(part, Source):
        return "" if part.generated else 'it takes its raw files: check_component(source, {"from": PATH})'
    fields = part.settings.model_fields.items() if hasattr(part, "settings") else ()
    needed = ", ".join(f'"{name}": ...' for name, field in fields if field.is_required())
    return needed and f"it takes settings: check_component(component, {{{needed}}})"


def _read(path: Path, known: Plugins) -> None:
    if is_suite(path, known):
        load_suite(path, [], known)
    else:
        load_recipe(path, [], known)


def _tried(kind: str, name: str, check: Callable[[], None]) -> Checked:
    try:
        check()
    except (AssertionError, SrlError) as error:
        return Checked(kind, name, "failed", re.sub(rf"^{kind} '[^']*': ", "", str(error)))
    except (Exception, SystemExit) as error:  # whatever foreign code may raise
        return Checked(kind, name, "failed", f"{type(error).__name__}: {error}")
    return Checked(kind, name)
