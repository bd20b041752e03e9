"""`srl data ls | show`"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from sasrec_llm.cli.completion import dataset_names
from sasrec_llm.cli.output import print_json, print_rows, print_text, printable
from sasrec_llm.cli.run import Json
from sasrec_llm.errors import UsageError
from sasrec_llm.plugins import plugins

if TYPE_CHECKING:
    from sasrec_llm.data.preview import Preview

SHOWN = 5


def ls(json: Json = False) -> None:
    """List what is prepared, and what could be."""
    from sasrec_llm.data.card import read_card
    from sasrec_llm.data.own import read_own_toml
    from sasrec_llm.runs import Workspace

    workspace = Workspace.from_environment()
    cards = [read_card(path.parent) for path in sorted(workspace.data.glob("*/card.json"))]
    prepared = {card.name for card in cards}
    sources = {name: source.summary for name, (source, _) in plugins().offers("sources").items()}
    sources |= {name: f"{read_own_toml(path).summary}; --from FOLDER" for name, path in plugins().described().items()}
    if json:
        print_json({"prepared": [card.model_dump(mode="json") for card in cards], "sources": sorted(sources)})
        return
    rows = [
        [card.name, "prepared", f"{card.kept:,} rows · {card.users:,} users · {card.items:,} items"] for card in cards
    ]
    rows += [[name, "available", summary] for name, summary in sorted(sources.items()) if name not in prepared]
    print_rows(rows)


def show(
    name: Annotated[str, typer.Argument(help="A prepared dataset", autocompletion=dataset_names)],
    shown: Annotated[
        int | None, typer.Argument(metavar="[N]", min=1, help=f"With --preview: how many of each; default {SHOWN}")
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Also a few users, items, and rows that were not taken")
    ] = False,
    json: Json = False,
) -> None:
    """Show the card of a prepared dataset.

    Example: srl data show ml-1m --preview 3
    """
    from sasrec_llm.data.card import read_card
    from sasrec_llm.data.costs import read_costs
    from sasrec_llm.runs import Workspace

    if shown and not preview:
        raise UsageError("N says how many are shown by --preview", hint=f"srl data show {name} --preview {shown}")
    folder = Workspace.from_environment().data / name
    card, costs = read_card(folder), read_costs(folder)
    seen = None
    if preview:
        from sasrec_llm.data.preview import preview as look

        seen = look(folder, shown or SHOWN)
    if json:
        told = {"costs": costs.model_dump(mode="json")} if costs else {}
        print_json(card.model_dump(mode="json") | told | ({"preview": asdict(seen)} if seen else {}))
        return
    lines = [*card.lines(), *([("preparing", costs.line())] if costs else [])]
    print_rows([["name", card.name], *([label, text] for label, text in lines)])
    if seen:
        print_preview(seen, card.rated)


def print_preview(seen: Preview, rated: bool) -> None:
    print_text("\nusers, with their latest rows")
    for user in seen.users:
        print_text(f"  {printable(user.name)}, {user.rows:,} rows")
        print_cells(
            [f"    {row.when}", *([f"{row.rating:g}", "liked" if row.liked else ""] if rated else []), row.title]
            for row in user.latest
        )
    print_text("\nitems with the most rows")
    print_cells(
        [f"  {item.name}", f"{item.rows:,} rows", f"{item.likes:,} liked", item.title, item.category or ""]
        for item in seen.items
    )
    if seen.rejects:
        print_text("\nnot taken")
    for found in seen.rejects:
        print_text(f"  {found.reason}: {found.rows:,} rows of {found.file}")
        print_cells([f"    line {line:,}", text or ""] for line, text in found.lines)


def print_cells(rows: Iterable[list[str]]) -> None:
    print_rows([list(map(printable, row)) for row in rows])
