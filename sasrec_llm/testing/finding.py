"""Which plugins are meant by a name, and where those are that are not installed."""

from __future__ import annotations

import sys
import tomllib
from functools import partial
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from sasrec_llm.errors import ComponentError, UsageError
from sasrec_llm.hookspecs import PROJECT
from sasrec_llm.installed import load
from sasrec_llm.plugins import PluginRow, Plugins, suggestion


class Project(BaseModel):
    """What we read of `[project]` in a pyproject.toml."""

    name: str
    version: str = "?"
    dependencies: list[str] = []
    entry_points: dict[str, dict[str, str]] = Field({}, alias="entry-points")


def find(name: str, known: Plugins) -> list[PluginRow]:
    """Of a plugin, package or module that is installed, or of a folder or module that is not: then the known ones have
    it from now on."""
    rows = [row for row in known.rows if name in (row.name, row.package, row.module)]
    if rows:
        return rows
    if Path(name).is_dir():
        return _of_folder(Path(name).resolve(), known)
    if _is_module(name):
        return [known.attempt(PluginRow(name, name, "-", name), EntryPoint(name, name, PROJECT).load)]
    names = [text for row in known.rows for text in (row.name, row.package)]
    raise ComponentError(
        f"there is no plugin, package, module or folder {name!r}{suggestion(name, names)}",
        hint="List what is installed: srl plugins",
    )


def _is_module(name: str) -> bool:
    try:
        return all(part.isidentifier() for part in name.split(".")) and find_spec(name) is not None
    except ImportError:
        return False


def _of_folder(folder: Path, known: Plugins) -> list[PluginRow]:
    project = _read(folder / "pyproject.toml")
    sys.path[:0] = [str(folder), str(folder / "src")]
    rows = []
    for name, value in project.entry_points[PROJECT].items():
        row = next((row for row in known.rows if (row.name, row.package) == (name, project.name)), None)
        if row is None:
            entry = EntryPoint(name, value, PROJECT)
            row = PluginRow(name, project.name, project.version, value.partition(":")[0])
            known.attempt(row, partial(load, entry, project.dependencies))
        elif folder not in Path(row.code).resolve().parents:
            raise UsageError(
                f"{row.package} is installed from {row.code}: that is what would be checked, not {folder}",
                hint=f"srl plugins install -e {folder}, or srl plugins check {row.package}",
            )
        rows.append(row)
    return rows


def _read(path: Path) -> Project:
    if not path.is_file():
        raise UsageError(f"there is no {path}", hint="Make a package: srl plugins new NAME --kind encoder")
    try:
        project = Project.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))["project"])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, ValidationError) as error:
        raise UsageError(f"{path} is not that of a package: {error}") from error
    if PROJECT not in project.entry_points:
        raise UsageError(f"{path} names no plugin", hint='It needs [project.entry-points.srl] with NAME = "MODULE"')
    return project
