"""What is installed: versions, extras, plugins."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import TYPE_CHECKING

from sasrec_llm.components import KINDS
from sasrec_llm.doctor.sections import Section
from sasrec_llm.errors import ComponentError
from sasrec_llm.plugins import Plugins

if TYPE_CHECKING:
    from packaging.requirements import Requirement

OWN = "sasrec-llm"


def versions(section: Section) -> None:
    section.rows[OWN] = f"{version(OWN)} in {Path(__file__).parents[1]}"
    section.rows["python"] = f"{platform.python_version()} at {sys.executable}"
    section.rows["platform"] = platform.platform()
    for needed in requirements(""):
        section.rows[needed.name] = installed(needed.name) or "missing"
        if not fits(needed):
            section.problem(f"{needed} is needed, and {found_of(needed)}", f"pip install '{needed}'")


def extras(section: Section) -> None:
    for extra in metadata(OWN).get_all("Provides-Extra") or ():
        lacking = [found_of(needed) for needed in requirements(extra) if not fits(needed)]
        section.rows[extra] = "; ".join(lacking) + f": pip install '{OWN}[{extra}]'" if lacking else "installed"


def requirements(extra: str) -> Iterator[Requirement]:
    """What we need, or what an extra of ours needs beside that."""
    from packaging.requirements import Requirement

    for text in requires(OWN) or ():
        found = Requirement(text)
        wanted = [found.marker is None or found.marker.evaluate({"extra": name}) for name in ("", extra)]
        if wanted == [not extra, True]:
            yield found


def installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def fits(needed: Requirement) -> bool:
    found = installed(needed.name)
    return bool(found) and needed.specifier.contains(found, prereleases=True)


def found_of(needed: Requirement) -> str:
    found = installed(needed.name)
    return f"{needed.name} is {found}" if found else f"{needed.name} is missing"


def plugged_in(section: Section, plugins: Plugins) -> None:
    for kind in KINDS:  # a plugin may fail only when it is asked what it offers
        try:
            plugins.offers(kind)
        except ComponentError:  # SRL_STRICT_PLUGINS; its row says it too
            continue
    plugins.recipe_folders()
    for row in plugins.rows:
        section.rows[row.name] = f"{row.owner}: {row.status}"
        if row.status == "failed":
            section.problem(
                f"the plugin {row.name} ({row.owner}) failed: {row.error}",
                f"pip install -U {row.package}, or leave it out: export SRL_DISABLE_PLUGINS={row.name}",
            )
    for name in ("SRL_DISABLE_PLUGINS", "SRL_STRICT_PLUGINS"):
        if name in os.environ:
            section.rows[name] = os.environ[name]
