"""`srl data prepare`, and the group it is in"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sasrec_llm.cli import datasets
from sasrec_llm.cli.completion import source_names
from sasrec_llm.cli.engines import LOCAL, worker
from sasrec_llm.cli.output import print_json, print_rows, say
from sasrec_llm.cli.run import Json
from sasrec_llm.plugins import plugins

app = typer.Typer(no_args_is_help=True, help="Prepare and look at datasets.")
app.command("ls")(datasets.ls)
app.command("list", hidden=True)(datasets.ls)
app.command("show")(datasets.show)


def _option(help_: str) -> Any:
    return typer.Option(help=help_, show_default=False)


@app.command("prepare")
def prepare_(
    what: Annotated[
        str,
        typer.Argument(
            help="A dataset's name, or your file: .csv .tsv .jsonl .parquet (also .gz), or a .toml that describes it",
            autocompletion=source_names,
        ),
    ],
    from_: Annotated[
        Path | None,
        typer.Option("--from", help="Folder, zip or file to read instead of downloading; where a .toml's files are"),
    ] = None,
    name: Annotated[str | None, _option("Name of your dataset; default: the file's")] = None,
    items: Annotated[str | None, _option("A second file with a title for each item; of collm-ml-1m: genres")] = None,
    user: Annotated[str | None, _option("Column of the user")] = None,
    item: Annotated[str | None, _option("Column of the item, in both files")] = None,
    time_: Annotated[
        str | None,
        typer.Option("--time", help="Column of the time: seconds, milliseconds or dates", show_default=False),
    ] = None,
    order: Annotated[str | None, _option("Instead of --time: column that numbers a user's rows")] = None,
    rating: Annotated[str | None, _option("Column of the rating")] = None,
    title: Annotated[str | None, _option("Column of the title")] = None,
    brand: Annotated[str | None, _option("Column of the brand")] = None,
    category_column: Annotated[str | None, _option("Column of the category")] = None,
    description: Annotated[str | None, _option("Column of the description")] = None,
    category: Annotated[str | None, _option("amazon: the category, such as Beauty")] = None,
    release: Annotated[str | None, _option("amazon: what to download: 2014, 2018 or 2023")] = None,
    like_at: Annotated[float | None, _option("Ratings from this one on are likes; default 4")] = None,
    since: Annotated[str | None, _option("Leave out rows before this day, YYYY-MM-DD")] = None,
    until: Annotated[str | None, _option("Leave out rows from this day on")] = None,
    min_user: Annotated[int | None, _option("k-core: rows a user must have")] = None,
    min_item: Annotated[int | None, _option("k-core: rows an item must have")] = None,
    once: Annotated[
        bool | None,
        typer.Option("--once", help="k-core: look once, though rows that leave may leave others with too few"),
    ] = None,
    max_id: Annotated[int | None, _option("Then only so many users and items, those that appeared first")] = None,
    max_bad: Annotated[float | None, _option("Largest share of lines that may be quarantined; default 0.05")] = None,
    threads: Annotated[int | None, _option("Threads of DuckDB; the result is the same for any number")] = None,
    memory: Annotated[
        str | None,
        _option("Memory of DuckDB, such as 500MB; default 400MB a thread, up to 8; the rest spills to disk"),
    ] = None,
    engine: Annotated[
        str, _option("Who does the work: local, or ray for all cores of a cluster: ray, ray://HOST:PORT")
    ] = LOCAL,
    shards: Annotated[int | None, typer.Option(min=1, hidden=True)] = None,
    json: Json = False,
) -> None:
    """Check, number, order and hash a dataset, ready for recipes.

    Examples: srl data prepare ml-1m --from ml-1m.zip · srl data prepare sales.csv --items products.csv --user customer
    · srl data prepare amazon --category Beauty --release 2014
    """
    given = {
        "name": name, "items": items, "user": user, "item": item, "time": time_, "order": order, "rating": rating,
        "title": title, "brand": brand, "category_column": category_column, "description": description,
        "category": category, "release": release, "like_at": like_at, "since": since, "until": until,
        "min_user": min_user, "min_item": min_item, "once": once, "max_id": max_id, "max_bad": max_bad,
        "memory": memory,
    }  # fmt: skip
    options = {key: value for key, value in given.items() if value is not None}
    from sasrec_llm.data.wanted import find_wanted

    wanted = find_wanted(what, from_, options, plugins())
    from sasrec_llm.data.costs import read_costs
    from sasrec_llm.data.prepare import prepare
    from sasrec_llm.runs import Workspace

    shards, each = worker(engine, shards)
    workspace = Workspace.from_environment()
    folder = workspace.data / wanted.name
    card = prepare(
        wanted.source, given=wanted.given, folder=folder, cache=workspace.cache, own=wanted.own, threads=threads,
        shards=shards, each=each,
    )  # fmt: skip
    costs = read_costs(folder)
    if json:
        print_json(card.model_dump(mode="json") | ({"costs": costs.model_dump(mode="json")} if costs else {}))
        return
    say(card.name)
    print_rows([[f"  {label}", text] for label, text in card.lines()])
    say(f"  written     {folder}" + (f": {costs.line()}" if costs else ""))
    if card.quarantined or card.lost_items:
        say(f"  the quarantined rows and their reasons: {folder / 'rejects.parquet'}")
    recipe = (
        "quickstart" if 0 < card.liked_share < 1 else "next_item/sasrec"
    )  # where nothing is disliked: what is next?
    say(f"Next: srl run {recipe} --set data.use={card.name}")
