"""The package of a new plugin: templates that are files of ours, with its names put in."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template
from typing import Literal

from sasrec_llm.errors import UsageError
from sasrec_llm.installed import our_version

Kind = Literal["encoder", "aligner", "backbone", "strategy", "metric", "source", "command", "events"]
OFFERED = {  # the kinds that a recipe or a command names
    "encoder": "encoders",
    "aligner": "aligners",
    "backbone": "backbones",
    "strategy": "strategies",
    "metric": "metrics",
    "source": "sources",
}
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
TEMPLATES = Path(__file__).parent / "templates"
SHARED, SUFFIX, MODULE, USE = "shared", ".tmpl", "module", "use.md"


def write_package(name: str, kind: Kind, to: Path) -> Path:
    """The folder `srl-NAME` in `to`: pyproject.toml, README.md, the module, and tests that pass."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a name: a letter, then letters and digits, all lower-case, with - between them",
            hint=f"srl plugins new my-{kind} --kind {kind}",
        )
    folder = to / f"srl-{name}"
    if folder.exists():
        raise UsageError(f"{folder} exists already", hint="Take another name, or another place: --to DIR")
    module = f"srl_{name.replace('-', '_')}"
    words = {"name": name, "kind": kind, "module": module, "bounds": bounds(our_version())}
    words["use"] = Template((TEMPLATES / kind / USE).read_text(encoding="utf-8")).substitute(words)
    for source in (TEMPLATES / SHARED, TEMPLATES / kind):
        for path in sorted(source.rglob(f"*{SUFFIX}")):
            place = str(path.relative_to(source)).removesuffix(SUFFIX).replace(MODULE, module)
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            text = Template(path.read_text(encoding="utf-8")).substitute(words)
            (folder / place).write_text(text, encoding="utf-8")
    return folder


def bounds(version: str) -> str:
    """The versions that keep the promises of this one: before 1.0 those of the same minor number."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return f">={major}.{minor},<{f'0.{minor + 1}' if major == 0 else major + 1}"
