"""`srl recipes list | validate | show | schema`"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import typer

from sasrec_llm.cli.output import print_json, print_rows, say
from sasrec_llm.cli.run import Json, Set
from sasrec_llm.plugins import plugins
from sasrec_llm.recipe.file import load_recipe
from sasrec_llm.recipe.schema import schema
from sasrec_llm.recipe.suite import is_suite, load_suite

app = typer.Typer(no_args_is_help=True, help="List, check and print recipes.")
File = Annotated[Path, typer.Argument(help="A recipe file")]
Files = Annotated[list[Path], typer.Argument(metavar="RECIPE...", help="Recipe files")]


@app.command("list")
def list_recipes(json: Json = False) -> None:
    """List the recipes that are installed, with the first line of each."""
    found = plugins().recipe_folders()
    rows = [
        [str(path), summary(path)]
        for folder in found
        for path in sorted(folder.glob("**/*.toml"))
        if path.parent != folder / "data"  # those describe datasets: `srl data list`
    ]
    if json:
        print_json([{"path": path, "summary": text} for path, text in rows])
    else:
        print_rows(rows)


def summary(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(
        (line.lstrip("# ") for line in lines if line.startswith("# ")), tomllib.loads("\n".join(lines)).get("name", "")
    )


@app.command()
def validate(recipes: Files, set_: Set = None) -> None:
    """Report every problem of recipes and suites, with key path and suggestion. Loads no model and no data."""
    for recipe in recipes:
        if is_suite(recipe):
            count = sum(map(len, load_suite(recipe, set_ or [], plugins()).recipes.values()))
            say(f"{recipe} is fine: {count} runs")
        else:
            load_recipe(recipe, set_ or [], plugins())
            say(f"{recipe} is fine")


@app.command()
def show(recipe: File, set_: Set = None) -> None:
    """Print the recipe as it would run: inherited, overridden, with every default."""
    if is_suite(recipe):
        recipes = load_suite(recipe, set_ or [], plugins()).recipes.values()
        print_json([found.dump() for same in recipes for found in same])
        return
    print_json(load_recipe(recipe, set_ or [], plugins()).dump())


@app.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of recipes, with the settings of all installed components, for editors."""
    print_json(schema(plugins()))
