"""`srl plugins list | show`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from sasrec_llm.cli.completion import plugin_names
from sasrec_llm.cli.components import describe, details
from sasrec_llm.cli.output import print_json, print_rows, print_text, say
from sasrec_llm.cli.run import Json
from sasrec_llm.components import KINDS
from sasrec_llm.errors import ComponentError
from sasrec_llm.plugins import PluginRow, Plugins, plugins, singular, suggestion

KEYS = ("name", "package", "version", "status", "error", "hooks")


def list_plugins(json: Json = False) -> None:
    """List installed plugins: version, whether each could be loaded, and what it offers."""
    found = plugins()
    offers = offered(found)
    entries = []
    for row in found.rows:
        counts = {kind: sum(owner is row for _, owner in each) for kind, each in offers.items()}
        entries.append({**about(row), "offers": {kind: n for kind, n in counts.items() if n}})
    if json:
        print_json(entries)
    else:
        print_plugins(entries)


def print_plugins(entries: Sequence[dict[str, Any]]) -> None:
    """Each as a line."""
    rows = []
    for entry in entries:
        what = " · ".join(f"{n} {kind if n > 1 else singular(kind)}" for kind, n in entry["offers"].items())
        said = entry["error"] or what or ", ".join(entry["hooks"])
        rows.append([entry["package"], entry["version"], entry["status"], said])
    print_rows(rows)


def show(
    name: Annotated[
        str, typer.Argument(help="A plugin or its package, as srl plugins list names them", autocompletion=plugin_names)
    ],
    json: Json = False,
) -> None:
    """Show a plugin: where its code is, its hooks, and what it offers with settings, defaults and help.

    Example: srl plugins show srl-popularity
    """
    found = plugins()
    chosen, offers = named(name, found), offered(found)
    parts = [[(kind, part) for kind in KINDS for part, owner in offers[kind] if owner is row] for row in chosen]
    if json:
        print_json([
            {**about(row), "code": row.code, "components": [describe(kind, part, None) for kind, part in own]}
            for row, own in zip(chosen, parts, strict=True)
        ])  # fmt: skip
        return
    for row, own in zip(chosen, parts, strict=True):
        print_text(f"{row.name} · {row.owner} · {row.status}")
        facts = {"error": row.error, "code": row.code, "hooks": ", ".join(row.hooks)}
        print_rows([[f"  {key}", text] for key, text in facts.items() if text])
        for kind, part in own:
            print_text(f"\n{singular(kind)} {part.name}: {part.summary}")
            if rows := details(part):
                print_rows(rows)


def named(name: str, found: Plugins) -> list[PluginRow]:
    """The plugin of that name, or all of a package."""
    chosen = [row for row in found.rows if name in (row.name, row.package)]
    if chosen:
        return chosen
    known = list(dict.fromkeys(known for row in found.rows for known in (row.name, row.package)))
    raise ComponentError(f"there is no plugin {name!r}{suggestion(name, known)}", hint="List them: srl plugins")


def offered(found: Plugins) -> dict[str, list[tuple[Any, PluginRow]]]:
    """Kind -> components with their owners. A plugin may fail, and names may clash, only when they are asked for."""
    offers: dict[str, list[tuple[Any, PluginRow]]] = {kind: [] for kind in KINDS}
    for kind in KINDS:
        try:
            offers[kind] = list(found.offers(kind).values())
        except ComponentError as error:
            say(f"{error}\n{error.hint}")
    return offers


def about(row: PluginRow) -> dict[str, Any]:
    return {key: getattr(row, key) for key in KEYS}
