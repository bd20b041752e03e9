"""`srl doctor`"""

from __future__ import annotations

from dataclasses import asdict

import typer

from sasrec_llm.cli.output import print_json, print_rows, print_text
from sasrec_llm.cli.run import Json
from sasrec_llm.plugins import plugins


def doctor(json: Json = False) -> None:
    """Say what is installed here, where it works and on what, and for each problem what to do. For bug reports too.

    It ends with exit code 1 if there is a problem.
    """
    from sasrec_llm.doctor.checkup import check_up
    from sasrec_llm.runs import Workspace

    sections = check_up(Workspace.from_environment(), plugins())
    problems = [problem for section in sections.values() for problem in section.problems]
    if json:
        found = {title: section.rows for title, section in sections.items()}
        print_json({**found, "problems": [asdict(problem) for problem in problems]})
    else:
        for title, section in sections.items():
            print_text(title)
            print_rows([[f"  {label}", text] for label, text in section.rows.items()] or [["  none", ""]])
        print_text("")
        for problem in problems:
            print_text(f"{problem.what} -> {problem.do}")
        print_text(f"{len(problems)} problems" if len(problems) != 1 else "1 problem")
    if problems:
        raise typer.Exit(1)
