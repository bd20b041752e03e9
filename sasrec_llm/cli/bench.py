"""`srl bench [RECIPE]`"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sasrec_llm.cli.output import print_json, print_rows, say
from sasrec_llm.cli.recipes import File
from sasrec_llm.cli.run import Json, Set
from sasrec_llm.plugins import plugins
from sasrec_llm.recipe.file import load_recipe
from sasrec_llm.recipe.installed import find_recipe

QUICK = Path("quickstart")  # on made-up data


def bench(
    recipe: File = QUICK,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="For each of the hot paths")] = 6.0,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Measure how fast this machine prepares, trains, scores and reads with a recipe: half a minute, nothing kept.

    Example: srl bench dual_stage_cpu
    """
    known = plugins()
    loaded = load_recipe(find_recipe(recipe, known), set_ or [], known)
    from sasrec_llm.bench.paths import measure
    from sasrec_llm.runs import Workspace

    say(f"{loaded.head.name} on {loaded.data.use}, {seconds:g} s for each path")
    found = []
    for figure in measure(loaded, Workspace.from_environment(), known, seconds):
        found.append(figure)
        if not json:
            print_rows([[f"  {figure.path:44}", f"{figure.value:>12,.4g}", figure.unit]])
    if json:
        print_json([asdict(figure) for figure in found])
