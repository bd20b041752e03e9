"""`srl recipes ls | show | cp | validate | diff | schema`"""

from __future__ import annotations

import json as json_format
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from sasrec_llm.cli.completion import copied_names, diff_names, recipe_names
from sasrec_llm.cli.output import print_json, print_rows, print_text, say
from sasrec_llm.cli.run import Json, Set
from sasrec_llm.plugins import plugins
from sasrec_llm.recipe.copying import copy_recipe
from sasrec_llm.recipe.difference import differences
from sasrec_llm.recipe.file import load_recipe
from sasrec_llm.recipe.installed import find_recipe
from sasrec_llm.recipe.listing import listed
from sasrec_llm.recipe.origins import trace
from sasrec_llm.recipe.schema import schema
from sasrec_llm.recipe.suite import is_suite, load_suite, trace_suite
from sasrec_llm.recipe.written import write

app = typer.Typer(no_args_is_help=True, help="List, print, copy, check and compare recipes.")
File = Annotated[
    Path, typer.Argument(help="A recipe: its file, or the name of one that is installed", autocompletion=recipe_names)
]
Files = Annotated[
    list[Path], typer.Argument(metavar="RECIPE...", help="Files or names of recipes", autocompletion=recipe_names)
]
Side = Annotated[str, typer.Argument(help="A recipe, or a run: its folder or name", autocompletion=diff_names)]


@app.command("ls")
@app.command("list", hidden=True)
def ls(json: Json = False) -> None:
    """List the recipes that are installed: name, the data each needs, its first line.

    Each can be named wherever a recipe is taken: srl run quickstart
    """
    found = listed(plugins())
    if json:
        print_json(
            [{"name": one.name, "path": str(one.path), "data": one.data, "summary": one.summary} for one in found]
        )
        return
    for folder, of in groupby(found, key=lambda one: one.path.parent):
        print_text(str(folder))
        print_rows([[f"  {one.name}", one.data, one.summary] for one in of])


@app.command()
def validate(recipes: Files, set_: Set = None) -> None:
    """Report every problem of recipes and suites, with key path and suggestion. Loads no model and no data."""
    known = plugins()
    for recipe in recipes:
        path = find_recipe(recipe, known)
        if is_suite(path, known):
            count = sum(map(len, load_suite(path, set_ or [], known).recipes.values()))
            say(f"{recipe} is fine: {count} runs")
        else:
            load_recipe(path, set_ or [], known)
            say(f"{recipe} is fine")


@app.command()
def show(recipe: File, set_: Set = None, json: Json = False) -> None:
    """Print the recipe as it would run, with every default, and where each value comes from. It is a recipe again.

    Example: srl recipes show dual_stage_cpu --set seed=1 > mine.toml
    """
    known = plugins()
    path = find_recipe(recipe, known)
    suite = is_suite(path, known)
    found = trace_suite(path, set_ or [], known) if suite else [trace(path, set_ or [], known)]
    if json:
        print_json([one.dump() for one in found] if suite else found[0].dump())
    else:
        print_text("\n\n\n".join(map(write, found)))


@app.command("cp")
def copy(
    name: Annotated[
        Path,
        typer.Argument(help="A recipe, a suite or a description of data: name or file", autocompletion=copied_names),
    ],
    to: Annotated[Path | None, typer.Argument(help="File or folder; default: here, under its own name")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there")] = False,
) -> None:
    """Copy a recipe to change it. What it extends stays where it is.

    Example: srl recipes cp dual_stage_cpu mine.toml
    """
    source, target = copy_recipe(name, to, plugins(), force=force)
    print_text(str(target))
    if source.parent.name == "data":
        say(f"Next: srl data prepare {target} --from FOLDER")
    else:
        say(f"Next: change it, then srl recipes validate {target} and srl run {target}")


@app.command()
def diff(a: Side, b: Side, json: Json = False) -> None:
    """Print what differs between two recipes as they run, or runs as they were run, key by key.

    Example: srl recipes diff sasrec runs/2026-11-21-sasrec-3f9c2a
    """
    from sasrec_llm.runs import Workspace
    from sasrec_llm.runs.account import resolved

    runs, known = Workspace.from_environment().runs, plugins()
    found = differences(resolved(a, runs, known), resolved(b, runs, known))
    if json:
        print_json({"a": a, "b": b, "differ": found})
    elif found:
        print_rows([[path, *(said(sides, side) for side in "ab")] for path, sides in found.items()], ["", a, b])
    else:
        say(f"{a} and {b} say the same")


def said(sides: dict[str, Any], side: str) -> str:
    return json_format.dumps(sides[side], ensure_ascii=False) if side in sides else "–"


@app.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of recipes, with the settings of all installed components, for editors."""
    print_json(schema(plugins()))
