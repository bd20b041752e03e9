"""`srl score [RUN] --users all -k 20`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sasrec_llm import processes
from sasrec_llm.cli.engines import LOCAL, Engine, Nproc
from sasrec_llm.cli.output import print_json, print_text, say
from sasrec_llm.cli.recommend import Candidates, RunOrExport
from sasrec_llm.cli.run import Json
from sasrec_llm.errors import UsageError
from sasrec_llm.launch import launch
from sasrec_llm.plugins import plugins

if TYPE_CHECKING:
    from sasrec_llm.answering.lists import Order
    from sasrec_llm.answering.loaded import LoadedRun
    from sasrec_llm.runs import Workspace


def score(
    run: RunOrExport = None,
    users: Annotated[
        str, typer.Option("--users", metavar="all|FILE", help="All users of the data, or those of a file, one a line")
    ] = "all",
    k: Annotated[int, typer.Option("-k", min=1, help="How many items for each")] = 20,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Default: lists/top-K in the run's folder")
    ] = None,
    candidates: Candidates = 100,
    nproc: Nproc = None,
    engine: Engine = LOCAL,
    json: Json = False,
) -> None:
    """Write the best items of every user as Parquet files. What is there already is not done again.

    Example: srl score sasrec --users all -k 20
    """
    if engine == LOCAL and nproc is not None and nproc > 1:
        launch(nproc)
        return
    from sasrec_llm.answering.lists import Order, begin, finish
    from sasrec_llm.answering.opening import load
    from sasrec_llm.runs import Workspace

    workspace = Workspace.from_environment()
    with processes.joined():
        loaded = processes.in_turn(lambda: load(run, workspace, plugins(), candidates))
        folder = to or loaded.folder / "lists" / f"top-{k}"
        # From here on by its folder: the latest run may be another by and by.
        order = Order(str(loaded.folder.absolute()), k, candidates, wanted(users, loaded), folder.absolute())
        missing = processes.lead(lambda: begin(order, loaded))
        say(f"{loaded.name} · {len(order.users):,} users · {len(missing)} of {len(order.shards)} files to write")
        write(order, missing, loaded, workspace, engine, nproc)
        processes.wait()
        if not processes.first():
            return
        summary = finish(order)
    if json:
        print_json({"folder": str(folder), **summary})
        return
    print_text(f"{folder} · {len(order.shards)} files: user, rank, item, score")


def write(
    order: Order, missing: list[int], loaded: LoadedRun, workspace: Workspace, engine: str, nproc: int | None
) -> None:
    if engine != LOCAL:
        from sasrec_llm.ray.cluster import connect

        connect(engine)
        from sasrec_llm.ray.work import write_lists

        write_lists(order, missing, workspace, nproc)
        return
    from sasrec_llm.answering.lists import write_shard

    for number in missing[processes.rank() :: processes.count()]:
        write_shard(order, number, loaded)


def wanted(users: str, loaded: LoadedRun) -> tuple[str, ...]:
    """Ids, as in the person's own files."""
    if users == "all":
        if not loaded.has_histories:
            raise UsageError(
                f"{loaded.name} is an export without rows: it knows no user",
                hint="Export it with --with-rows, or score the run itself",
            )
        return tuple(loaded.users)
    try:
        lines = Path(users).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{users} cannot be read: {error}", hint="--users all, or a file of ids, one a line"
        ) from error
    named = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    unknown = [user for user in named if not loaded.knows(user)]
    if unknown or not named:
        listed = ", ".join(unknown[:3])
        raise UsageError(
            f"{len(unknown):,} of {len(named):,} users of {users} are not in the data: {listed}" if named else
            f"{users} names no user",
            hint="For somebody new: srl recommend --history TITLE",
        )  # fmt: skip
    return named
