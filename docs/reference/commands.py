"""docs/cli.md: every command of `srl` as its own `--help` tells it, exit codes, environment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer.main

from reference.markdown import GENERATED, code, prose, table
from sasrec_llm import errors
from sasrec_llm.cli.app import app

INTRODUCTION = """
Results go to stdout, everything else to stderr; where there are results, `--json` prints them for programs. Every
command has `--help`. Plugins can add commands, which are not on this page.
"""
ENVIRONMENT = {
    "SRL_DATA": "Where prepared datasets are; default `data`",
    "SRL_RUNS": "Where runs are; default `runs`",
    "SRL_CACHE": "What can be made or downloaded again; default `srl` in the user's cache folder",
    "SRL_DISABLE_PLUGINS": "Plugins that are left out, with commas between; `*` for all",
    "SRL_STRICT_PLUGINS": "`1`: a plugin that is broken is an error",
    "SRL_DEBUG": "Any value: the traceback of an error, as `--debug`",
}
SIGNALS = {0: "done", 130: "stopped by Ctrl-C; the same command goes on", 143: "stopped by SIGTERM, likewise"}


def page() -> str:
    found = list(commands())
    overview = [[f"[`{name}`](#{name.replace(' ', '-')})", prose(first(command))] for name, command, _ in found]
    return "\n\n".join(
        [
            f"{GENERATED}# Command line",
            INTRODUCTION.strip(),
            table(["command", ""], overview),
            *(part for entry in found for part in section(*entry)),
            "## Exit codes",
            table(["code", "meaning"], [[code(number), prose(meaning)] for number, meaning in sorted(exits().items())]),
            "## Environment",
            table(["variable", ""], [[code(name), meaning] for name, meaning in ENVIRONMENT.items()]),
        ]
    ) + "\n"  # fmt: skip


def commands() -> Iterator[tuple[str, Any, typer.Context]]:
    """(name, command, context) of the root and of all below it, groups before their own."""
    yield from _walk("srl", typer.main.get_command(app), None)


def _walk(name: str, command: Any, parent: typer.Context | None) -> Iterator[tuple[str, Any, typer.Context]]:
    context = typer.Context(command, info_name=name.split()[-1], parent=parent)
    yield name, command, context
    for below, found in getattr(command, "commands", {}).items():
        if not found.hidden:
            yield from _walk(f"{name} {below}", found, context)


def first(command: Any) -> str:
    """The first sentence of its help."""
    return re.split(r"(?<=[.:])\s", (command.help or "").strip(), maxsplit=1)[0].rstrip(":.")


def section(name: str, command: Any, context: typer.Context) -> Iterator[str]:
    yield f"{'###' if ' ' in name else '##'} {code(name)}"
    examples: list[str] = []
    for paragraph in (command.help or "").split("\n\n"):
        text = " ".join(paragraph.split())
        if found := re.match(r"Examples?: ", text):
            examples += text[found.end() :].split(" · ")
        elif text:
            yield prose(text)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    yield f"```text\n{usage}\n```"
    if told := list(parameters(command, context)):
        yield "\n".join(told)
    if examples:
        yield "For example:"
        yield "```sh\n" + "\n".join(examples) + "\n```"


def parameters(command: Any, context: typer.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None or parameter.name == "help":
            continue
        about, _, extra = record[1].partition("  [")
        notes = f" ({prose(extra.rstrip(']'))})" if extra else ""
        yield f"- {code(record[0])}: {prose(about)}{notes}"


def exits() -> dict[int, str]:
    """Exit code -> meaning, as the tree at the head of errors.py has it."""
    tree = re.findall(r"Error +(\d+) +(.+)", errors.__doc__ or "")
    return {int(number): meaning for number, meaning in tree} | SIGNALS
