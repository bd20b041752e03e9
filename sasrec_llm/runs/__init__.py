"""Runs, finished or not: `folder` is what is in one, `manifest` what it was made with; `lookup` and `states` find them,
`account` tells of one, `removal` takes one away."""

from sasrec_llm.runs.folder import (
    FAILURE,
    PAGE,
    LogWriter,
    Run,
    Workspace,
    dated,
    find_place,
    finished_run,
    now,
    write_recipe,
)

__all__ = [
    "FAILURE",
    "PAGE",
    "LogWriter",
    "Run",
    "Workspace",
    "dated",
    "find_place",
    "finished_run",
    "now",
    "write_recipe",
]
