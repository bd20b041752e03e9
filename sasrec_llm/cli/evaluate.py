"""`srl eval [RUN] --split SUBSET`"""

from __future__ import annotations

from typing import Annotated, get_args

import typer

from sasrec_llm.cli.output import print_json, print_rows, print_table, print_text, say
from sasrec_llm.cli.run import Json
from sasrec_llm.errors import UsageError
from sasrec_llm.plugins import plugins, suggestion
from sasrec_llm.protocols import Subset

SUBSETS = list(get_args(Subset))
Split = Annotated[
    list[str] | None, typer.Option("--split", help=f"Subset of the test rows: {', '.join(SUBSETS)}; default: all")
]


def evaluate(
    run: Annotated[str | None, typer.Argument(help="Folder or part of the name of a run; default: the latest")] = None,
    split: Split = None,
    json: Json = False,
) -> None:
    """Load a finished run and score its test rows again, all or a subset of them.

    Example: srl eval --split warm --split cold
    """
    wanted = known_subsets(split)
    from sasrec_llm.evaluate.subsets import MEANING
    from sasrec_llm.experiment import evaluate as evaluate_run
    from sasrec_llm.report.tables import cells
    from sasrec_llm.run_lookup import find_run
    from sasrec_llm.runs import Workspace

    workspace = Workspace.from_environment()
    found = find_run(workspace.runs, run)
    say(f"{found.name}")
    outcome = evaluate_run(found, wanted, workspace, plugins())
    if json:
        print_json({"run": str(found.folder), "test": [table.dump() for table in outcome.tables["test"]]})
        return
    for table in outcome.tables["test"]:
        print_table(table, "test")
        print_text(f"{table.subset}: {MEANING[table.subset]}")
        print_rows(cells(table)[1], cells(table)[0], right=True)


def known_subsets(split: list[str] | None) -> list[str]:
    wanted = split or ["all"]
    for name in wanted:
        if name not in SUBSETS:
            raise UsageError(f"unknown subset {name!r}{suggestion(name, SUBSETS)}; known: {', '.join(SUBSETS)}")
    return wanted
