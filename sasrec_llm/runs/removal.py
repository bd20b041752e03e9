"""Taking runs away: whole or not at all, never one that works, none that another needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sasrec_llm.durable import read_json, remove_folder
from sasrec_llm.errors import LockedError, RunError, UsageError
from sasrec_llm.locks import locked
from sasrec_llm.runs import Run
from sasrec_llm.runs.lookup import find_run
from sasrec_llm.runs.states import UNREADABLE, Standing, find_standing, standings
from sasrec_llm.signals import held


def choose(names: Sequence[str], unfinished: bool, runs: Path) -> list[Standing]:
    """What is named and, if asked for, every run that was interrupted, has failed or is damaged."""
    found = [find_standing(runs, name) for name in names]
    if unfinished:
        states = ("interrupted", "failed", "damaged")
        found += [one for one in standings(runs) if one.kind == "run" and one.state in states]
    if not found:
        raise UsageError("there is no unfinished run" if unfinished else "name the runs to remove", hint="srl runs ls")
    return list({one.folder.resolve(): one for one in found}.values())


def refuse_running(chosen: Sequence[Standing]) -> None:
    for one in chosen:
        if one.by:
            raise LockedError(f"{one.by} is working on {one.folder}", hint="Wait for it to end, or stop it")


def needed(chosen: Sequence[Standing], runs: Path) -> dict[str, list[str]]:
    """Of the chosen ones that others need: by whom."""
    going = {one.folder.resolve(): one.name for one in chosen}
    found: dict[str, list[str]] = {}
    for other in standings(runs):
        if other.folder.resolve() not in going:
            for folder in needs(other, runs):
                name = next((name for gone, name in going.items() if gone in (folder, *folder.parents)), None)
                if name and other.name not in found.setdefault(name, []):
                    found[name].append(other.name)
    return found


def needs(one: Standing, runs: Path) -> Iterator[Path]:
    """Folders of others: members of an ensemble or a late fusion, parts that a stage loads, what a suite compares.
    Stages that were taken over from others are copies."""
    try:
        if one.kind == "suite":
            for names in read_json(one.folder / "comparison.json")["members"].values():
                yield from ((runs / name).resolve() for name in names)
        elif one.kind == "run":
            resolved = Run(one.folder).resolved()
            for stage in resolved["stages"].values():
                yield from (Path(path).resolve() for path in stage.get("load", {}).values())
            yield from members(Run(one.folder), resolved, runs)
    except (*UNREADABLE, FileNotFoundError):  # it needs nothing as it is
        return


def members(run: Run, resolved: Mapping[str, Any], runs: Path) -> Iterator[Path]:
    for name in resolved["strategy"].get("runs", []):
        try:
            yield find_run(runs, name, run.manifest()["data"]["sha256"], resolved["seed"]).folder.resolve()
        except RunError:  # it is not there, or cannot be told from others
            continue


def remove(one: Standing) -> None:
    """By one rename; a signal waits for the end."""
    with held(), locked(one.folder):
        if one.folder.is_symlink():
            one.folder.unlink()
        else:
            remove_folder(one.folder)
