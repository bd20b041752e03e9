"""`srl runs ls | show | rm`"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from textwrap import shorten
from typing import Annotated, Any

import typer

from sasrec_llm.cli.completion import run_names
from sasrec_llm.cli.output import print_json, print_rows, print_text, say
from sasrec_llm.cli.run import Json
from sasrec_llm.errors import RunError, UsageError

WIDE = 100  # of what a list says of a run's state

app = typer.Typer(no_args_is_help=True, help="List, look at and remove runs.")


@app.command("ls")
@app.command("list", hidden=True)
def ls(json: Json = False) -> None:
    """List all runs, suites and searches, the oldest first: how far each is, and its main figure on test."""
    from sasrec_llm.report.tables import number, title
    from sasrec_llm.runs import Workspace
    from sasrec_llm.runs.states import standings

    runs = Workspace.from_environment().runs
    found = standings(runs)
    if json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        say(f"there is no run in {runs}; run one: srl run RECIPE")
        return
    rows = [
        [
            one.name,
            one.recipe,
            one.data,
            one.started[:16].replace("T", " "),
            f"{title(one.metric)} {number(one.figure)}" if one.metric else "",
            shorten(stated(asdict(one)), WIDE, placeholder=" …"),
        ]
        for one in found
    ]
    print_rows(rows, ["run", "recipe", "data", "started (UTC)", "test", "state"])


@app.command()
def show(
    run: Annotated[
        str | None,
        typer.Argument(help="Folder, name or part of the name of a run; default: the latest", autocompletion=run_names),
    ] = None,
    json: Json = False,
) -> None:
    """Show a run, finished or not: its stages, figures and size, what it was made with, what to do next."""
    from sasrec_llm.runs import Workspace
    from sasrec_llm.runs.account import account
    from sasrec_llm.runs.states import find_standing

    found = account(find_standing(Workspace.from_environment().runs, run))
    if json:
        print_json(found)
        return
    print_text(found["name"])
    print_rows([[f"  {label}", text] for label, text in lines(found)])
    if found.get("stages"):
        print_rows([stage_row(stage) for stage in found["stages"]], ["  stage", "trains", "epochs", "best", "time"])
    if found.get("test"):
        print_figures(found["test"][0])
    for command in found.get("next", ()):
        print_text(f"Next: {command}")


def lines(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    parts = " → ".join(found.get("parts", {}).values())
    rows = [
        ("state", stated(found)),
        ("hint", found.get("failure", {}).get("hint", "")),
        ("process", found["by"]),
        ("folder", str(found["folder"])),
        ("recipe", found["recipe"] + (f": {parts}, seed {found['seed']}" if parts else "")),
        ("data", found["data"]),
        *found.get("made_with", {"started": found["started"]}).items(),
        ("systems", ", ".join(found.get("systems", ()))),
        ("on disk", sized(found["bytes"])),
    ]
    return [(label, text) for label, text in rows if text]


def stated(found: Mapping[str, Any]) -> str:
    return ": ".join(part for part in (found["state"], found["detail"]) if part)


def sized(parts: Mapping[str, int]) -> str:
    """The whole, and the largest of its parts."""
    largest = sorted(parts.items(), key=lambda part: -part[1])[:3]
    return f"{megabytes(sum(parts.values()))}: " + ", ".join(f"{name} {megabytes(size)}" for name, size in largest)


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def stage_row(stage: Mapping[str, Any]) -> list[str]:
    seconds, best = stage["total_seconds"], stage["best"]
    epochs = f"{stage['epochs'] or 0} of {stage['planned_epochs']}"
    if stage["finished"]:
        epochs = f"{stage['epochs']}, stopped early" if stage["stopped_early"] else str(stage["epochs"] or "")
    return [
        f"  {stage['name']}",
        ", ".join(stage["train"]),
        epochs,
        "" if best is None else f"{best:.4g} in epoch {stage['best_epoch']}",
        "" if seconds is None else str(timedelta(seconds=round(seconds))),
    ]


def print_figures(table: Mapping[str, Any]) -> None:
    from sasrec_llm.report.tables import HEADLINE, number, title
    from sasrec_llm.runs.states import value_of

    print_text(f"test, {table['subset']}: {table['rows']:,} rows, {table['users']:,} users")
    metrics = list(next(iter(table["systems"].values())))
    metrics = [metric for metric in metrics if metric in HEADLINE] or metrics[:4]
    rows = [
        [f"  {system}", *(number(value_of(found[metric])) for metric in metrics)]
        for system, found in table["systems"].items()
    ]
    print_rows(rows, ["", *map(title, metrics)], right=True)


@app.command()
def rm(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="RUN...", help="Folders or names", autocompletion=run_names)
    ] = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Every run that was interrupted, has failed or is damaged")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also what other runs need")] = False,
) -> None:
    """Remove runs, suites or searches with all that is in their folders. One that is running stays."""
    from sasrec_llm.runs import Workspace
    from sasrec_llm.runs.account import size
    from sasrec_llm.runs.removal import choose, needed, refuse_running, remove

    place = Workspace.from_environment().runs
    chosen = choose(runs or [], unfinished, place)
    refuse_running(chosen)
    if lost := [f"{name} is needed by {', '.join(by)}" for name, by in needed(chosen, place).items()]:
        if not force:
            raise RunError("\n".join(lost), hint="Remove these too, or say that it is meant: --force")
        say("\n".join(lost))
    total = megabytes(sum(size(one.folder) for one in chosen))
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("nobody is there to be asked", hint="Say that it is meant: --yes")
        for one in chosen:
            say(f"  {one.name}  {one.state}")
        typer.confirm(f"Remove {len(chosen)} with {total}?", abort=True, err=True)
    for one in chosen:
        remove(one)
        print_text(f"{one.name} is removed")
