"""`srl report [RUN ...]`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sasrec_llm.cli.completion import finished_runs
from sasrec_llm.cli.output import print_text, say
from sasrec_llm.plugins import plugins


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Folders or names of finished runs, or the folder of a suite; default: the latest run",
            autocompletion=finished_runs,
        ),
    ] = None,
    reference: Annotated[
        str, typer.Option("--reference", help="Of several runs, what the others are compared with; default: the first")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Where to write; default: report.html in the run's folder", show_default=False)
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser")] = False,
) -> None:
    """Write one page about a run, or one that compares several: tables, figures, recipe, data. It needs no network.

    Examples: srl report --open · srl report sasrec dual-stage-cpu
    """
    from sasrec_llm.comparison import compare, grouped
    from sasrec_llm.durable import digest, read_json
    from sasrec_llm.report.write import write_comparison, write_report
    from sasrec_llm.runs import PAGE, Workspace
    from sasrec_llm.runs.lookup import find_all, find_run

    workspace, known = Workspace.from_environment(), plugins()
    suite = Path(runs[0]) if runs and len(runs) == 1 and Path(runs[0], "comparison.json").is_file() else None
    found = find_all(workspace.runs, runs or ())
    found = found or [find_run(workspace.runs, None)]
    if len(found) == 1:
        to = out or found[0].folder / PAGE
        write_report(found[0].folder, to, datasets=workspace.data, plugins=known)
    else:
        if suite and not reference:
            comparison, to = read_json(suite / "comparison.json"), out or suite / PAGE
        else:
            subsets = [table["subset"] for table in found[0].metrics()["test"]]
            comparison = compare(grouped(found), subsets, workspace, known, reference=reference, stages=True).dump()
            name = digest([*sorted(run.name for run in found), reference])[:6]
            to = out or workspace.runs / f"comparison-{name}.html"
        write_comparison(comparison, to, runs=workspace.runs, datasets=workspace.data, plugins=known)
    print_text(str(to))
    if open_:
        import webbrowser

        if not webbrowser.open(to.resolve().as_uri()):
            say("there is no browser to show it in")
