"""Find plugins, load each by itself, look components up. The only importer of `importlib.metadata`.

A plugin that cannot be loaded is a row with its error, one line on stderr, and nothing else: every command still
works. `SRL_DISABLE_PLUGINS=a,b` (or `*`) leaves plugins out; `SRL_STRICT_PLUGINS=1` makes a broken one an error.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import importlib.metadata
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pluggy

from sasrec_llm.components import KINDS, Component, MetricComponent, Source, StrategyComponent
from sasrec_llm.errors import ComponentError, StoppedError
from sasrec_llm.hookspecs import PROJECT, Events, Offers

log = logging.getLogger(__name__)

BUILTIN = "sasrec_llm.builtin"
OWN = "builtin"  # name of our own row
RECORDS: dict[str, type] = {"sources": Source, "strategies": StrategyComponent, "metrics": MetricComponent}


@dataclass(slots=True)
class PluginRow:
    """One line of `srl plugins`."""

    name: str
    package: str
    version: str
    status: str = "ok"  # ok | disabled | failed
    error: str = ""
    hooks: list[str] = field(default_factory=list)

    @property
    def owner(self) -> str:
        return f"{self.package} {self.version}"

    def fail(self, error: BaseException) -> None:
        self.status, self.error = "failed", f"{type(error).__name__}: {error}"
        if os.environ.get("SRL_STRICT_PLUGINS") == "1":
            raise ComponentError(f"plugin {self.name} ({self.owner}) failed: {self.error}") from error
        log.warning("plugin %s (%s) failed and is left out: %s", self.name, self.owner, self.error)


class Plugins:
    """The loaded plugins, and the components they offer."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(PROJECT)
        self.manager.add_hookspecs(Offers)
        self.manager.add_hookspecs(Events)
        self.rows: list[PluginRow] = []
        self._offers: dict[str, dict[str, tuple[Any, PluginRow]]] = {}
        self._muted: set[str] = set()

    def load(self) -> None:
        """The built-ins first, then every entry point of the group, in the order of their names."""
        own = PluginRow(OWN, "sasrec-llm", importlib.metadata.version("sasrec-llm"))
        self._add(own, lambda: importlib.import_module(BUILTIN))
        disabled = {name.strip() for name in os.environ.get("SRL_DISABLE_PLUGINS", "").split(",")}
        for entry in sorted(importlib.metadata.entry_points(group=PROJECT), key=lambda found: found.name):
            package = entry.dist.name if entry.dist else entry.module
            row = PluginRow(entry.name, package, entry.dist.version if entry.dist else "?")
            if disabled & {entry.name, package, "*"}:
                row.status = "disabled"
                self.rows.append(row)
            else:
                self._add(row, entry.load)

    def add(self, plugin: object, name: str) -> None:
        """Register an object as a plugin, for tests and for watchers of a run."""
        self._add(PluginRow(name, name, "-"), lambda: plugin)

    def remove(self, name: str) -> None:
        self.manager.unregister(name=name)
        self.rows = [row for row in self.rows if row.name != name]
        self._offers.clear()

    def _add(self, row: PluginRow, load: Any) -> None:
        self.rows.append(row)
        self._offers.clear()
        try:
            plugin = load()
            self.manager.register(plugin, name=row.name)
            self.manager.check_pending()
            row.hooks = sorted(caller.name for caller in self.manager.get_hookcallers(plugin) or ())
        except (Exception, SystemExit) as error:  # whatever a foreign import may raise
            if self.manager.has_plugin(row.name):
                self.manager.unregister(name=row.name)
            row.fail(error)

    def offers(self, kind: str) -> dict[str, tuple[Any, PluginRow]]:
        """All components of a kind: name -> (record, who offers it)."""
        if kind not in self._offers:
            self._offers[kind] = dict(self._collect(kind))
        return self._offers[kind]

    def _collect(self, kind: str) -> Iterator[tuple[str, tuple[Any, PluginRow]]]:
        seen: dict[str, PluginRow] = {}
        record = RECORDS.get(kind, Component)
        rows = {row.name: row for row in self.rows}
        for impl in getattr(self.manager.hook, f"srl_{kind}").get_hookimpls():
            row = rows[impl.plugin_name]
            try:
                found: list[Any] = list(impl.function())
                for item in found:
                    if not isinstance(item, record):
                        raise TypeError(f"srl_{kind} must yield {record.__name__}, not {type(item).__name__}")
                for name in [item.name for item in found if item.name in seen]:
                    owners = f"{row.owner} and {seen[name].owner}"
                    raise ComponentError(f"two plugins offer {kind} {name!r}: {owners}, which keeps the name")
            except (Exception, SystemExit) as error:
                row.fail(error)
                continue
            for item in found:
                seen[item.name] = row
                yield item.name, (item, row)

    def recipe_folders(self) -> list[Path]:
        """Folders of recipes, of every plugin that can name its own."""
        found: list[Path] = []
        for impl in self.manager.hook.srl_recipes.get_hookimpls():
            try:
                offered: Any = impl.function()
                found += [Path(folder) for folder in offered]
            except (Exception, SystemExit) as error:
                next(row for row in self.rows if row.name == impl.plugin_name).fail(error)
        return found

    def described(self) -> dict[str, Path]:
        """Datasets that a TOML beside the recipes describes, whose files are elsewhere."""
        return {path.stem: path for folder in self.recipe_folders() for path in sorted(folder.glob("data/*.toml"))}

    def get(self, kind: str, name: str) -> Any:
        """The component of that name; an unknown one is an error that suggests."""
        known = self.offers(kind)
        if name in known:
            return known[name][0]
        raise ComponentError(self.unknown(kind, name), hint=f"List them: srl components {kind}")

    def unknown(self, kind: str, name: str) -> str:
        known = sorted(self.offers(kind))
        text = f"unknown {singular(kind)} {name!r}{suggestion(name, known)}"
        failed = [f"{row.name} ({row.owner}): {row.error}" for row in self.rows if row.status == "failed"]
        if failed:
            text += "; a plugin that failed to load may offer it: " + "; ".join(failed)
        return text if suggestion(name, known) else f"{text}; known: {', '.join(known)}"

    def event(self, name: str, **values: Any) -> None:
        """Tell every watcher. One that fails is reported once and not called again in this process; one may stop us."""
        for impl in getattr(self.manager.hook, name).get_hookimpls():
            if impl.plugin_name in self._muted:
                continue
            try:
                impl.function(*(values[argument] for argument in impl.argnames))
            except StoppedError:
                raise
            except (Exception, SystemExit) as error:
                self._muted.add(impl.plugin_name)
                log.warning("plugin %s failed in %s and is not told more: %s", impl.plugin_name, name, error)


def singular(kind: str) -> str:
    return {"strategies": "strategy"}.get(kind, kind.removesuffix("s"))


def suggestion(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


@functools.cache
def plugins() -> Plugins:
    """The plugins of this process, loaded on first use."""
    found = Plugins()
    found.load()
    return found


__all__ = ["KINDS", "OWN", "PluginRow", "Plugins", "plugins", "singular", "suggestion"]
