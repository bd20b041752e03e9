"""Load each plugin by itself, look components up.

A plugin that cannot be loaded is a row with its error, one line on stderr, and nothing else: every command still
works. `SRL_DISABLE_PLUGINS=a,b` (or `*`) leaves plugins out; `SRL_STRICT_PLUGINS=1` makes a broken one an error.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pluggy

from sasrec_llm.components import KINDS, Component, MetricComponent, Source, StrategyComponent
from sasrec_llm.errors import ComponentError, StoppedError
from sasrec_llm.hookspecs import PROJECT, Events, Offers
from sasrec_llm.installed import PACKAGE, PluginRow, installed, our_version

log = logging.getLogger(__name__)

BUILTIN = "sasrec_llm.builtin"
OWN = "builtin"  # name of our own row
RECORDS: dict[str, type] = {"sources": Source, "strategies": StrategyComponent, "metrics": MetricComponent}


class Plugins:
    """The loaded plugins, and the components they offer."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(PROJECT)
        self.manager.add_hookspecs(Offers)
        self.manager.add_hookspecs(Events)
        self.rows: list[PluginRow] = []
        self._registered: dict[str, PluginRow] = {}
        self._offers: dict[str, dict[str, tuple[Any, PluginRow]]] = {}
        self._muted: set[str] = set()
        self.quiet = False  # of several processes that do the same, one tells the watchers

    def load(self) -> None:
        """The built-ins first, then every entry point of the group, in the order of their names."""
        own = PluginRow(OWN, PACKAGE, our_version(), BUILTIN)
        self.attempt(own, lambda: importlib.import_module(BUILTIN))
        disabled = {name.strip() for name in os.environ.get("SRL_DISABLE_PLUGINS", "").split(",")}
        for row, load in installed():
            if disabled & {row.name, row.package, "*"}:
                row.status = "disabled"
                self.rows.append(row)
            else:
                self.attempt(row, load)

    def add(self, plugin: object, name: str) -> PluginRow:
        """Register an object as a plugin, for tests and for watchers of a run."""
        return self.attempt(PluginRow(name, name, "-", getattr(plugin, "__name__", "")), lambda: plugin)

    def remove(self, name: str) -> None:
        self.manager.unregister(name=name)
        self.rows.remove(self._registered.pop(name))
        self._offers.clear()

    def attempt(self, row: PluginRow, load: Callable[[], object]) -> PluginRow:
        """Register what `load` returns. Whatever it raises is noted in the row."""
        self.rows.append(row)
        self._offers.clear()
        try:
            plugin = load()
            self.manager.register(plugin, name=row.name)
            self._registered[row.name] = row
            self.manager.check_pending()
            row.hooks = sorted(caller.name for caller in self.manager.get_hookcallers(plugin) or ())
        except (Exception, SystemExit) as error:  # whatever a foreign import may raise
            if self.plugin(row):  # and not another of that name
                self.manager.unregister(name=row.name)
                del self._registered[row.name]
            row.fail(error)
        return row

    def row(self, name: str) -> PluginRow:
        """Of the plugin that is registered under a name, which more than one may want."""
        return self._registered[name]

    def plugin(self, row: PluginRow) -> Any:
        """What is registered for a row; None where it is left out."""
        return self.manager.get_plugin(row.name) if self._registered.get(row.name) is row else None

    def offers(self, kind: str) -> dict[str, tuple[Any, PluginRow]]:
        """All components of a kind: name -> (record, who offers it)."""
        if kind not in self._offers:
            self._offers[kind] = dict(self._collect(kind))
        return self._offers[kind]

    def _collect(self, kind: str) -> Iterator[tuple[str, tuple[Any, PluginRow]]]:
        seen: dict[str, PluginRow] = {}
        record = RECORDS.get(kind, Component)
        for impl in getattr(self.manager.hook, f"srl_{kind}").get_hookimpls():
            row = self.row(impl.plugin_name)
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
                self.row(impl.plugin_name).fail(error)
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
        out = [f"{row.name} ({row.owner}): {row.error}" for row in self.rows if row.error]
        if out:
            text += "; a plugin that is left out may offer it: " + "; ".join(out)
        return text if suggestion(name, known) else f"{text}; known: {', '.join(known)}"

    def event(self, name: str, **values: Any) -> None:
        """Tell every watcher. One that fails is reported once and not called again in this process; one may stop us."""
        for impl in getattr(self.manager.hook, name).get_hookimpls():
            if self.quiet or impl.plugin_name in self._muted:
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
