"""`srl eval [RUN] --split SUBSET --data OTHER`"""

from __future__ import annotations

from typing import Annotated, get_args

import typer

from sasrec_llm import processes
from sasrec_llm.cli.completion import dataset_names, finished_runs, subset_names
from sasrec_llm.cli.engines import LOCAL, Engine, Nproc, asker
from sasrec_llm.cli.output import print_json, print_rows, print_table, print_text, say
from sasrec_llm.cli.run import Json
from sasrec_llm.errors import UsageError
from sasrec_llm.launch import launch
from sasrec_llm.plugins import plugins, suggestion
from sasrec_llm.protocols import Subset

SUBSETS = list(get_args(Subset))
Split = Annotated[
    list[str] | None,
    typer.Option(
        "--split", help=f"Subset of the test rows: {', '.join(SUBSETS)}; default: all", autocompletion=subset_names
    ),
]


def evaluate(
    run: Annotated[
        str | None,
        typer.Argument(help="Folder or part of the name of a run; default: the latest", autocompletion=finished_runs),
    ] = None,
    split: Split = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="NAME",
            help="Another prepared dataset, which the run never saw",
            autocompletion=dataset_names,
        ),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="How that dataset is split; default: as the run's own")
    ] = None,
    nproc: Nproc = None,
    engine: Engine = LOCAL,
    json: Json = False,
) -> None:
    """Load a finished run and score its test rows again, all or a subset of them; or those of another dataset.

    Example: srl eval --split warm --split cold

    Example: srl eval icl --data ml-100k --protocol temporal
    """
    if protocol and not data:
        raise UsageError("--protocol says how the dataset of --data is split", hint="Name it: --data NAME")
    if data and engine != LOCAL:
        raise UsageError("another dataset is scored by the processes of one machine", hint="Say --nproc N instead")
    wanted = known_subsets(split)
    if engine == LOCAL and nproc is not None and nproc > 1:
        launch(nproc)
        return
    from sasrec_llm.across import evaluate_across
    from sasrec_llm.evaluation.subsets import MEANING
    from sasrec_llm.experiment import evaluate as evaluate_run
    from sasrec_llm.report.tables import cells
    from sasrec_llm.runs import Workspace
    from sasrec_llm.runs.lookup import find_run

    workspace = Workspace.from_environment()
    found = find_run(workspace.runs, run)
    say(f"{found.name}")
    with processes.joined():
        elsewhere = evaluate_across(found, data, protocol, wanted, workspace, plugins()) if data else None
        ask = asker(engine, nproc, found, wanted, workspace)
        outcome = elsewhere.outcome if elsewhere else evaluate_run(found, wanted, workspace, plugins(), ask)
    if json:
        about = {"data": elsewhere.data, "saw_it": elsewhere.floors} if elsewhere else {}
        print_json({"run": str(found.folder), **about, "test": [table.dump() for table in outcome.tables["test"]]})
        return
    if elsewhere and elsewhere.note:
        print_text(elsewhere.note)
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
