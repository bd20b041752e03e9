"""`srl compare RUN RUN ...`"""

from __future__ import annotations

from typing import Annotated

import typer

from sasrec_llm.cli.completion import finished_runs
from sasrec_llm.cli.evaluate import Split, known_subsets
from sasrec_llm.cli.output import print_comparison, print_json, print_text
from sasrec_llm.cli.run import Json
from sasrec_llm.plugins import plugins


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Folders or names of finished runs, all seeds of each; or the folder of a suite",
            autocompletion=finished_runs,
        ),
    ],
    reference: Annotated[
        str, typer.Option("--reference", help="What the others are compared with; default: the first run")
    ] = "",
    split: Split = None,
    stages: Annotated[bool, typer.Option("--stages", help="Also what each stage of a run left")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print tables for a README")] = False,
    json: Json = False,
) -> None:
    """Compare finished runs on the same rows: differences with intervals, by a paired bootstrap over users.

    Example: srl compare dual-stage-cpu sasrec --reference bias-regression
    """
    subsets = known_subsets(split)
    from sasrec_llm.comparison import compare as compare_runs
    from sasrec_llm.comparison import grouped
    from sasrec_llm.runs import Workspace
    from sasrec_llm.runs.lookup import find_all

    workspace = Workspace.from_environment()
    members = grouped(find_all(workspace.runs, runs))
    comparison = compare_runs(members, subsets, workspace, plugins(), reference=reference, stages=stages)
    if json:
        print_json(comparison.dump())
    elif markdown:
        from sasrec_llm.report.tables import gains, heading, headline
        from sasrec_llm.report.tables import markdown as lines

        for table in comparison.tables:
            print_text(f"**{heading(table, 'test')}**\n\n{lines(*headline(table))}\n")
            print_text(f"Less {comparison.reference}, paired bootstrap over users:\n\n{lines(*gains(table))}\n")
    else:
        print_comparison(comparison)
