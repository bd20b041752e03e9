"""`srl run RECIPE`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sasrec_llm.cli.output import print_json, print_rows, print_text, say
from sasrec_llm.plugins import plugins
from sasrec_llm.recipe_file import load_recipe

Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe, e.g. stages.align.epochs=3")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout")]


def run(
    recipe: Annotated[Path, typer.Argument(help="A recipe file, e.g. recipes/dual_stage_cpu.toml")],
    set_: Set = None,
    json: Json = False,
) -> None:
    """Run a recipe's stages and score the result. Finished stages are skipped, an interrupted one continues.

    Example: srl run recipes/dual_stage_cpu.toml --set seed=1
    """
    known = plugins()
    checked = load_recipe(recipe, set_ or [], known)
    from sasrec_llm.cli.progress import Watcher
    from sasrec_llm.experiment import run as run_recipe
    from sasrec_llm.runs import Workspace

    use = " → ".join(choice.use for section, choice in checked.choices.items() if section != "strategy")
    split = ", ".join([checked.data.protocol, *(f"{key} {value}" for key, value in checked.data.options.items())])
    what = [checked.head.name, f"{checked.data.use} ({split})", use, checked.strategy.use]
    say(" · ".join(part for part in what if part))
    with Watcher() as watcher:
        known.add(watcher, "progress")
        try:
            outcome = run_recipe(checked, given(recipe, set_ or []), Workspace.from_environment(), known)
        finally:
            known.remove("progress")
    from sasrec_llm.report.tables import cells, heading

    if json:
        print_json({"run": str(outcome.run.folder), "test": [table.dump() for table in outcome.tables["test"]]})
        return
    for table in outcome.tables["test"]:
        print_text(f"\n{heading(table, 'test')}")
        header, rows = cells(table)
        print_rows(rows, header, right=True)
    print_text(f"\n{outcome.run.folder} · metrics.json · predictions.parquet · report.txt")


def given(recipe: Path, overrides: list[str]) -> str:
    """The recipe as it was given, with the overrides that came with it."""
    head = "".join(f"# --set {override}\n" for override in overrides)
    return head + recipe.read_text(encoding="utf-8")
