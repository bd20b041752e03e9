"""`srl plugins install | uninstall`: with the pip of this very environment, wherever `srl` was installed."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from sasrec_llm.cli.completion import plugin_names
from sasrec_llm.cli.output import say
from sasrec_llm.cli.plugins.listing import named, print_plugins
from sasrec_llm.errors import ComponentError, UsageError
from sasrec_llm.installed import PACKAGE
from sasrec_llm.plugins import plugins

STDERR = 2  # what pip says is no result of ours


def install(
    packages: Annotated[
        list[str] | None, typer.Argument(metavar="PACKAGE...", help="Names, wheels, folders or addresses, as for pip")
    ] = None,
    editable: Annotated[
        list[Path] | None, typer.Option("--editable", "-e", metavar="FOLDER", help="A folder whose code stays in place")
    ] = None,
) -> None:
    """Install plugins where srl itself is, and say what they offer. A plugin is code you trust: loading it runs it.

    Examples: srl plugins install srl-popularity · srl plugins install -e srl-my-encoder
    """
    if not packages and not editable:
        raise UsageError("install what?", hint="srl plugins install PACKAGE, or srl plugins install -e FOLDER")
    for folder in editable or ():
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder}", hint="Make one: srl plugins new NAME --kind encoder")
    before = [(row.name, row.package, row.version) for row in plugins().rows]
    call(installer("install", *(packages or ()), *(word for folder in editable or () for word in ("-e", str(folder)))))
    new = [entry for entry in listed_afresh() if (entry["name"], entry["package"], entry["version"]) not in before]
    if not new:
        say("no plugin is new; all of them: srl plugins")
        return
    print_plugins(new)
    broken = [entry for entry in new if entry["error"]]
    if broken:
        raise ComponentError(
            f"{', '.join(entry['package'] for entry in broken)}: installed, but cannot be used",
            hint=f"Remove it: srl plugins uninstall {broken[0]['package']}",
        )


def uninstall(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Plugins or their packages", autocompletion=plugin_names)
    ],
) -> None:
    """Remove the packages of plugins.

    Example: srl plugins uninstall srl-popularity
    """
    packages = dict.fromkeys(row.package for name in names for row in named(name, plugins()))
    if PACKAGE in packages:
        raise UsageError(
            f"{PACKAGE} is srl itself", hint=f"To remove it: {shlex.join(installer('uninstall', PACKAGE))}"
        )
    call(installer("uninstall", *packages))


def installer(action: str, *arguments: str) -> list[str]:
    """The command that changes this environment: pip's, or uv's where there is no pip."""
    if find_spec("pip"):
        yes = ["--yes"] if action == "uninstall" else []
        return [sys.executable, "-m", "pip", action, *yes, *arguments]
    uv = shutil.which("uv")
    if uv is None:
        raise UsageError("there is neither pip nor uv to do it with", hint=f"{sys.executable} -m ensurepip")
    return [uv, "pip", action, "--python", sys.executable, *arguments]


def call(command: Sequence[str]) -> None:
    say(shlex.join(command))
    done = subprocess.run(command, stdout=STDERR, check=False)
    if done.returncode:
        raise UsageError(f"it ended with exit code {done.returncode}; what it said is above")


def listed_afresh() -> list[dict[str, Any]]:
    """The plugins of a new process: this one read its entry points when it started."""
    command = [sys.executable, "-m", "sasrec_llm", "plugins", "list", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise ComponentError("installed, but srl cannot list its plugins now; what it said is above")
    return json.loads(done.stdout)  # type: ignore[no-any-return]
