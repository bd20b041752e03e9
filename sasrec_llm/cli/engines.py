"""`--nproc` and `--engine`: how many processes share the work, and on which machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sasrec_llm.plugins import Plugins

if TYPE_CHECKING:
    from sasrec_llm.data.shards import Each
    from sasrec_llm.evaluation.examiner import Exam
    from sasrec_llm.evaluation.task import Answers
    from sasrec_llm.runs import Run, Workspace
    from sasrec_llm.suite import Runner

LOCAL = "local"
Nproc = Annotated[
    int | None,
    typer.Option("--nproc", min=1, metavar="N", help="Share the work among so many processes; with Ray, workers"),
]
Engine = Annotated[
    str, typer.Option("--engine", help="local; ray: the cluster of RAY_ADDRESS or this machine; or ray://HOST:PORT")
]


def runner(engine: str, nproc: int | None, known: Plugins) -> tuple[Runner, Plugins]:
    """What runs a recipe, and the plugins whose events are told of in this process."""
    if engine == LOCAL:
        from sasrec_llm.experiment import run

        return run, known
    from sasrec_llm.ray.cluster import connect

    connect(engine)
    from sasrec_llm.ray.training import run_on_cluster

    shown = Plugins()
    return lambda recipe, given, workspace, _: run_on_cluster(recipe, given, workspace, shown, nproc), shown


def asker(
    engine: str, nproc: int | None, found: Run, subsets: Sequence[str], workspace: Workspace
) -> Callable[[Exam], Answers] | None:
    """Who answers the batches of an evaluation, if not this process and those beside it."""
    if engine == LOCAL:
        return None
    from sasrec_llm.ray.cluster import connect

    connect(engine)
    from sasrec_llm.ray.work import answer

    return lambda exam: answer(exam, found, subsets, workspace, nproc)


def worker(engine: str, shards: int | None) -> tuple[int | None, Each]:
    """Into how many shards rows are put to be prepared, and who works on them."""
    if engine == LOCAL:
        from sasrec_llm.data.shards import in_turn

        return shards, in_turn
    from sasrec_llm.ray.cluster import connect, cores

    connect(engine)
    from sasrec_llm.ray.tasks import on_cluster

    return shards or cores(), on_cluster
