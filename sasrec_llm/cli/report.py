"""`srl report [RUN ...]`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sasrec_llm.cli.output import print_text, say
from sasrec_llm.plugins import plugins


def report(
    runs: Annotated[
        list[str] | None, typer.Argument(help="Folders or parts of the names of finished runs; default: the latest")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write; default: report.html in the run's folder", show_default=False)
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser")] = False,
) -> None:
    """Write one page about a run, or one that compares several: tables, figures, recipe, data. It needs no network.

    Examples: srl report --open · srl report sasrec dual-stage-cpu
    """
    from sasrec_llm.durable import digest
    from sasrec_llm.experiment import draw
    from sasrec_llm.runs import PAGE, Workspace, find_run

    workspace = Workspace.from_environment()
    found = [find_run(workspace.runs, name) for name in runs or ()] or [find_run(workspace.runs, None)]
    beside = workspace.runs / f"comparison-{digest(sorted(run.name for run in found))[:6]}.html"
    to = out or (found[0].folder / PAGE if len(found) == 1 else beside)
    draw(found, to, workspace, plugins())
    print_text(str(to))
    if open_:
        import webbrowser

        if not webbrowser.open(to.resolve().as_uri()):
            say("there is no browser to show it in")
