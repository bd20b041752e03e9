"""What is on the disk: the folders in use, models, datasets, runs."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from pydantic import ValidationError

from sasrec_llm.data.card import read_card
from sasrec_llm.doctor.sections import GB, Section, gigabytes
from sasrec_llm.durable import verify
from sasrec_llm.errors import DamagedError
from sasrec_llm.plugins import Plugins
from sasrec_llm.runs import Workspace
from sasrec_llm.runs.states import standings

LEAST_DISK = 1 * GB
VARIABLES = {"data": "SRL_DATA", "runs": "SRL_RUNS", "cache": "SRL_CACHE"}


def folders(section: Section, workspace: Workspace) -> None:
    for name, variable in VARIABLES.items():
        path: Path = getattr(workspace, name).absolute()
        there = next(found for found in (path, *path.parents) if found.exists())
        free, writable = shutil.disk_usage(there).free, can_write(there)
        made = "" if path.exists() else ", not made yet"
        section.rows[name] = f"{path}{made}, {'can' if writable else 'cannot'} be written, {gigabytes(free)} free"
        if not writable:
            section.problem(f"srl may not write to {there}", f"Give it another folder: export {variable}=PATH")
        if free < LEAST_DISK:
            section.problem(
                f"only {gigabytes(free)} is free where {name} are kept, {path}",
                f"srl runs rm RUN, or another disk: export {variable}=PATH",
            )


def can_write(folder: Path) -> bool:
    """Tried, since permissions do not tell the administrator of what is read-only."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def models(section: Section) -> None:
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    section.rows["cache"] = str(folder)
    section.rows["offline"] = "yes: HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "no"
    kept = [path.name.split("--", 1)[1].replace("--", "/") for path in sorted(folder.glob("models--*"))]
    section.rows["models"] = ", ".join(kept) or "none"


def datasets(section: Section, workspace: Workspace, plugins: Plugins) -> None:
    known = {*plugins.offers("sources"), *plugins.described()}
    for path in sorted(workspace.data.glob("*/card.json")):
        name = path.parent.name
        try:
            card = read_card(path.parent)
            verify(path.parent)
        except (DamagedError, ValidationError, OSError) as error:
            what = "its card cannot be read" if isinstance(error, ValidationError) else error
            section.rows[name] = "damaged"
            again = name if name in known else f"FILE --name {name}"
            section.problem(f"the dataset {name}: {what}", f"Prepare it again: srl data prepare {again}")
        else:
            section.rows[name] = f"{card.kept:,} rows, as written"


def runs(section: Section, workspace: Workspace) -> None:
    """Those that are not finished are no problem: they can go on."""
    found = standings(workspace.runs)
    counts = Counter(one.state for one in found)
    section.rows["in all"] = ", ".join(f"{n} {state}" for state, n in counts.items()) or "none"
    for one in found:
        if one.state in ("interrupted", "failed"):
            section.rows[one.name] = f"{one.state}: {one.detail}"
        elif one.state == "damaged":
            section.problem(f"the run {one.name} is damaged: {one.detail}", f"srl runs rm {one.name}")
