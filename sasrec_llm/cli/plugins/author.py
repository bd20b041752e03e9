"""`srl plugins new | check`: for those who write one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sasrec_llm.cli.completion import plugin_names
from sasrec_llm.cli.output import print_json, print_text, say
from sasrec_llm.cli.run import Json
from sasrec_llm.errors import ComponentError, UsageError
from sasrec_llm.plugins import plugins
from sasrec_llm.scaffold import OFFERED, Kind, write_package


def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is called in a recipe or behind srl, such as my-encoder")],
    kind: Annotated[Kind, typer.Option("--kind", help="What it adds")],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Where its folder is made")] = Path(),
) -> None:
    """Make the package of a plugin: it works, and passes its own tests.

    Example: srl plugins new my-encoder --kind encoder
    """
    name = name.removeprefix("srl-")
    commands = getattr(context.find_root().command, "commands", {})
    if name in (plugins().offers(OFFERED[kind]) if kind in OFFERED else commands if kind == "command" else ()):
        raise UsageError(f"another {kind} is called {name!r}", hint="Take another name")
    folder = write_package(name, kind, to)
    print_text(str(folder))
    say(f"Next: srl plugins check {folder} · srl plugins install -e {folder}")


def check(
    package: Annotated[
        str, typer.Argument(help="A plugin, its package, its module, or the folder of one", autocompletion=plugin_names)
    ],
    json: Json = False,
) -> None:
    """Run the contract of everything a package offers, and say what fails.

    Example: srl plugins check srl-popularity
    """
    from sasrec_llm.testing.packages import check_package

    found = []
    for one in check_package(package, plugins()):
        found.append(one)
        if not json:
            print_text(f"{one.kind:<9} {one.name:<24} {one.status}{': ' if one.error else ''}{one.error}")
    if json:
        print_json([one.dump() for one in found])
    failed = sum(one.status == "failed" for one in found)
    if failed:
        raise ComponentError(f"{failed} of {len(found)} do not hold")
