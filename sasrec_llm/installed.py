"""Which plugins are installed, and whether each can work with this version of ours."""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec

from sasrec_llm.errors import ComponentError
from sasrec_llm.hookspecs import PROJECT

log = logging.getLogger(__name__)

PACKAGE = "sasrec-llm"
BOUND = re.compile(r"sasrec[-_.]+llm(?![-_.\w]).*[<>=!~]", re.IGNORECASE)  # a requirement: us, and which versions


class MisfitError(ComponentError):
    """A plugin whose own metadata exclude this version."""


@dataclass(slots=True, eq=False)
class PluginRow:
    """One line of `srl plugins`."""

    name: str
    package: str
    version: str
    module: str = ""
    status: str = "ok"  # ok | disabled | failed | incompatible
    error: str = ""
    hooks: list[str] = field(default_factory=list)

    @property
    def owner(self) -> str:
        return f"{self.package} {self.version}"

    @property
    def code(self) -> str:
        """The file of its top module, found without importing it; empty where there is none."""
        try:
            spec = find_spec(self.module.partition(".")[0])
        except ValueError:
            return ""
        return (spec and spec.origin) or ""

    def fail(self, error: BaseException) -> None:
        misfit = isinstance(error, MisfitError)
        self.status = "incompatible" if misfit else "failed"
        self.error = str(error) if misfit else f"{type(error).__name__}: {error}"
        what = f"plugin {self.name} ({self.owner}) {'is incompatible' if misfit else 'failed'}"
        if os.environ.get("SRL_STRICT_PLUGINS") == "1":
            raise ComponentError(f"{what}: {self.error}") from error
        log.warning("%s and is left out: %s", what, self.error)


def our_version() -> str:
    return importlib.metadata.version(PACKAGE)


def installed() -> Iterator[tuple[PluginRow, Callable[[], object]]]:
    """Every entry point of the group in the order of their names and packages, and what loads it."""
    for entry in sorted(importlib.metadata.entry_points(group=PROJECT), key=_order):
        dist = entry.dist
        row = PluginRow(entry.name, dist.name if dist else entry.module, dist.version if dist else "?", entry.module)
        yield row, functools.partial(load, entry, dist.requires if dist else None)


def _order(entry: importlib.metadata.EntryPoint) -> tuple[str, str]:
    return entry.name, entry.dist.name if entry.dist else ""


def load(entry: importlib.metadata.EntryPoint, requires: Iterable[str] | None) -> object:
    """Import a plugin, if what its package requires lets it work with this version."""
    for line in requires or ():
        if BOUND.match(line):
            _check(line)
    return entry.load()


def _check(requirement: str) -> None:
    from packaging.requirements import Requirement  # 10 ms, and a plugin without bounds needs none of it

    wanted, ours = Requirement(requirement), our_version()
    if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
        return
    if not wanted.specifier.contains(ours, prereleases=True):
        raise MisfitError(f"it wants {PACKAGE} {wanted.specifier}, this is {ours}")
