"""`srl recommend [RUN] --user ID | --history TITLE ...` and `srl export RUN --to DIR`"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sasrec_llm.cli.completion import finished_runs
from sasrec_llm.cli.output import print_json, print_rows, print_text, say
from sasrec_llm.cli.run import Json
from sasrec_llm.errors import UsageError
from sasrec_llm.plugins import plugins

if TYPE_CHECKING:
    from sasrec_llm.answering.loaded import LoadedRun, Recommendation

RunOrExport = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="A finished run, or the folder of an export; default: the latest",
        autocompletion=finished_runs,
    ),
]
Candidates = Annotated[
    int, typer.Option("--candidates", min=1, help="Items that a language model is asked about one by one")
]


def recommend(
    run: RunOrExport = None,
    user: Annotated[str | None, typer.Option("--user", metavar="ID", help="A user of the data")] = None,
    history: Annotated[
        list[str] | None,
        typer.Option("--history", metavar="TITLE", help="What somebody liked, by title or id, the latest last"),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many items")] = 10,
    explain: Annotated[
        bool, typer.Option("--explain", help="What each item is near to, and what a language model was asked")
    ] = False,
    candidates: Candidates = 100,
    json: Json = False,
) -> None:
    """Recommend items to a user of the data, or to anybody who says what they liked.

    Example: srl recommend --history "Heat (1995)" --history alien -k 3
    """
    if user is None and not history:
        raise UsageError("for whom?", hint='Give --user ID, or --history "TITLE", or both')
    from sasrec_llm.answering.opening import load
    from sasrec_llm.runs import Workspace

    loaded = load(run, Workspace.from_environment(), plugins(), candidates)
    question = loaded.question(user, history or [])
    named = question.items[len(question.items) - len(history or []) :]
    _tell(loaded, user, dict(zip(history or [], named, strict=True)))
    (found,) = loaded.answer([question], k, explain=explain)
    if json:
        print_json({"run": loaded.name, "user": user, "items": [dataclasses.asdict(item) for item in found]})
        return
    print_rows([_line(place, item) for place, item in enumerate(found, start=1)])
    if prompt := next((item.reason.prompt for item in found if item.reason), ""):
        print_text(f"\nWhat the language model was asked about the first:\n{prompt}")


def _tell(loaded: LoadedRun, user: str | None, named: dict[str, int]) -> None:
    """Who is asked about, and which item each title was taken for."""
    say(loaded.name)
    if loaded.index:
        say("answered by an index, approximately: the README.md of the export says how near it comes")
    if user is not None and not loaded.knows(user):
        say(f"{user} is not in the data: answered as for somebody new")
    elif user is not None and not loaded.has_histories:
        say(f"an export without rows does not know what {user} liked; --history adds it")
    for text, item in named.items():
        if text != loaded.catalogue.title_of(item):
            say(f"{text} → {loaded.catalogue.title_of(item)}")


def _line(place: int, item: Recommendation) -> list[str]:
    score = f"{item.score:.3f}" if item.probability is None else f"yes {item.probability:.2f}"
    near = "; ".join(f"near {one.title} ({one.likeness:.2f})" for one in item.reason.near[:1]) if item.reason else ""
    return [str(place), item.title, score, *([near] if item.reason else [])]


def export(
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="A finished run; default: the latest", autocompletion=finished_runs),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="A new folder; default: the run's name")
    ] = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Fold LoRA into the backbone, as a plain model folder")
    ] = False,
    with_backbone: Annotated[
        bool, typer.Option("--with-backbone", help="Copy the backbone also where the Hugging Face hub has it")
    ] = False,
    with_rows: Annotated[
        bool, typer.Option("--with-rows", help="Also the rows of the data: users' histories; mind their licence")
    ] = False,
    index: Annotated[
        bool,
        typer.Option("--index", help="Also an index for catalogues of millions: fast, approximate answers by faiss"),
    ] = False,
    json: Json = False,
) -> None:
    """Write a finished run as one folder that answers on any machine, without the data it was trained on.

    Example: srl export dual-stage-cpu --to films
    """
    from sasrec_llm.answering.export import Exporter
    from sasrec_llm.runs import Workspace
    from sasrec_llm.runs.lookup import find_run

    workspace = Workspace.from_environment()
    found = find_run(workspace.runs, run)
    folder = to or Path(f"{found.name}-export")
    Exporter(workspace, plugins(), merge, with_backbone, with_rows, index).export(found, folder)
    files: list[Any] = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    if json:
        print_json({"folder": str(folder), "files": [str(path.relative_to(folder)) for path in files], "mb": size})
        return
    print_text(f"{folder} · {len(files)} files, {size:,.1f} MB · answers as {found.name} does")
    say(f'Try it: srl recommend {folder} --history "TITLE"')
