"""`srl data prepare | list | show`"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from sasrec_llm.cli.output import print_json, print_rows, say
from sasrec_llm.cli.run import Json
from sasrec_llm.components import Source
from sasrec_llm.errors import UsageError
from sasrec_llm.plugins import plugins, suggestion

app = typer.Typer(no_args_is_help=True, help="Prepare and look at datasets.")


def _option(help_: str) -> Any:
    return typer.Option(help=help_, show_default=False)


@app.command("prepare")
def prepare_(
    what: Annotated[
        str,
        typer.Argument(
            help="A dataset's name, or your file: .csv .tsv .jsonl .parquet (also .gz), or a .toml that describes it"
        ),
    ],
    from_: Annotated[
        Path | None, typer.Option("--from", help="Folder, zip or file to read instead of downloading")
    ] = None,
    name: Annotated[str | None, _option("Name of your dataset; default: the file's")] = None,
    items: Annotated[str | None, _option("A second file with a title for each item")] = None,
    user: Annotated[str | None, _option("Column of the user")] = None,
    item: Annotated[str | None, _option("Column of the item, in both files")] = None,
    time_: Annotated[
        str | None,
        typer.Option("--time", help="Column of the time: seconds, milliseconds or dates", show_default=False),
    ] = None,
    rating: Annotated[str | None, _option("Column of the rating")] = None,
    title: Annotated[str | None, _option("Column of the title")] = None,
    like_at: Annotated[float | None, _option("Ratings from this one on are likes; default 4")] = None,
    min_user: Annotated[int | None, _option("k-core: rows a user must have")] = None,
    min_item: Annotated[int | None, _option("k-core: rows an item must have")] = None,
    max_bad: Annotated[float | None, _option("Largest share of lines that may be quarantined; default 0.05")] = None,
    threads: Annotated[int | None, _option("Threads of DuckDB; the result is the same for any number")] = None,
    json: Json = False,
) -> None:
    """Check, number, order and hash a dataset, ready for recipes.

    Examples: srl data prepare ml-1m --from ml-1m.zip · srl data prepare sales.csv --items products.csv --user customer
    """
    given = {
        "name": name, "items": items, "user": user, "item": item, "time": time_, "rating": rating, "title": title,
        "like_at": like_at, "min_user": min_user, "min_item": min_item, "max_bad": max_bad,
    }  # fmt: skip
    options = {key: value for key, value in given.items() if value is not None}
    known = plugins()
    sources: dict[str, Any] = known.offers("sources")
    path = Path(what)
    if what not in sources and not path.suffix:
        close = suggestion(what, sorted(sources))
        raise UsageError(
            f"unknown dataset {what!r}{close}; known: {', '.join(sorted(sources))}",
            hint="Your own data: srl data prepare FILE.csv",
        )
    from sasrec_llm.data.prepare import prepare
    from sasrec_llm.runs import Workspace

    began, workspace = time.monotonic(), Workspace.from_environment()
    if what in sources:
        source, own = sources[what][0], _own(options)
        folder = workspace.data / (own.name or what)
    else:
        own = _own(options, path)
        source, from_ = own_source(own.name or path.name.split(".")[0].lower()), Path(own.interactions or what)
        folder = workspace.data / source.name
    card = prepare(source, given=from_, folder=folder, cache=workspace.cache, own=own, threads=threads)
    if json:
        print_json(card.model_dump())
        return
    say(card.name)
    print_rows([[f"  {label}", text] for label, text in card.lines()])
    say(f"  written     {folder} in {time.monotonic() - began:.1f} s")
    if card.quarantined:
        say(f"  the quarantined rows and their reasons: {folder / 'rejects.parquet'}")


def _own(options: dict[str, Any], path: Path | None = None) -> Any:
    from pydantic import ValidationError

    from sasrec_llm.data.own import OwnData, read_own_toml

    below = read_own_toml(path).model_dump() if path and path.suffix == ".toml" and path.is_file() else {}
    try:
        return OwnData.model_validate(below | options)
    except ValidationError as error:
        first = error.errors()[0]
        option = "-".join(str(key) for key in first["loc"]).replace("_", "-")
        raise UsageError(f"--{option}: {first['msg'].lower()} (got {first['input']!r})") from error


def own_source(name: str) -> Source:
    return Source(name=name, summary="own data", licence="yours", read="sasrec_llm.data.readers:read_own")


@app.command("list")
def list_(json: Json = False) -> None:
    """List what is prepared, and what could be."""
    from sasrec_llm.data.card import read_card
    from sasrec_llm.runs import Workspace

    workspace = Workspace.from_environment()
    cards = [read_card(path.parent) for path in sorted(workspace.data.glob("*/card.json"))]
    prepared = {card.name for card in cards}
    sources = plugins().offers("sources")
    if json:
        print_json({"prepared": [card.model_dump() for card in cards], "sources": sorted(sources)})
        return
    rows = [
        [card.name, "prepared", f"{card.kept:,} rows · {card.users:,} users · {card.items:,} items"] for card in cards
    ]
    rows += [
        [name, "available", source.summary] for name, (source, _) in sorted(sources.items()) if name not in prepared
    ]
    print_rows(rows)


@app.command()
def show(name: Annotated[str, typer.Argument(help="A prepared dataset")], json: Json = False) -> None:
    """Show the card of a prepared dataset."""
    from sasrec_llm.data.card import read_card
    from sasrec_llm.runs import Workspace

    card = read_card(Workspace.from_environment().data / name)
    if json:
        print_json(card.model_dump())
    else:
        print_rows([["name", card.name], *([label, text] for label, text in card.lines())])
