"""`srl tune RECIPE`"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from sasrec_llm.cli.completion import recipe_names
from sasrec_llm.cli.output import print_json, print_rows, print_text, say
from sasrec_llm.cli.run import Json, Set
from sasrec_llm.errors import RunError, UsageError
from sasrec_llm.plugins import plugins
from sasrec_llm.recipe.installed import find_recipe
from sasrec_llm.tune.question import read_question

SHOWN = 10  # trials in the table


def tune(
    recipe: Annotated[
        Path, typer.Argument(help="A recipe with a [search] table: its file, or its name", autocompletion=recipe_names)
    ],
    trials: Annotated[int, typer.Option("--trials", min=1, help="How many in all, with those of earlier calls")] = 20,
    study: Annotated[
        Path | None, typer.Option("--study", help="Where the study is kept; default: within its folder of the runs")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="MIN", min=0, help="Begin no trial after so many minutes")
    ] = None,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Try other values in a recipe, as its [search] table says, and keep what is best on validation.

    Test is never scored. The same command goes on where it was interrupted.

    Example: srl tune mine.toml --trials 30
    """
    known = plugins()
    question = read_question(find_recipe(recipe, known), set_ or [], known)
    if find_spec("optuna") is None:
        raise UsageError("srl tune needs optuna, which is not installed", hint="pip install 'sasrec-llm[tune]'")
    from sasrec_llm.cli.progress import Watcher
    from sasrec_llm.runs import Workspace
    from sasrec_llm.tune.search import search
    from sasrec_llm.tune.study import Tried

    @contextlib.contextmanager
    def around(number: int, values: Mapping[str, Any]) -> Iterator[None]:
        say(f"trial {number} of {trials} · " + " · ".join(f"{path} {figure(value)}" for path, value in values.items()))
        with Watcher() as watcher:
            known.add(watcher, "progress")
            try:
                yield
            finally:
                known.remove("progress")

    def told(tried: Tried, best: Tried | None) -> None:
        if tried.figure is None:
            say("  cut short: others were better by then" if tried.ended == "pruned" else f"  left out: {tried.why}")
        else:
            leads = "the best so far" if best == tried else f"best {figure(best.figure)}" if best else ""
            say(f"  {figure(tried.figure)}, {leads}")

    found = search(
        question,
        Workspace.from_environment(),
        known,
        trials=trials,
        study=study,
        minutes=timeout,
        around=around,
        told=told,
    )
    finished = [tried for tried in found.trials if tried.figure is not None]
    if not finished:
        why = next((f": {tried.why}" for tried in found.trials if tried.why), "")
        raise RunError(f"none of {len(found.trials)} trials came to its end{why}")
    if json:
        about = {"folder": found.folder, "study": found.study, "metric": found.metric, "best": found.best}
        print_json({**about, "trials": [asdict(tried) for tried in found.trials]})
        return
    count = Counter(tried.ended for tried in found.trials)
    print_text(
        f"\n{len(found.trials)} trials: {count['finished']} to the end, {count['pruned']} cut short, "
        f"{count['unfit']} left out; {found.metric} on validation"
    )
    print_rows(
        [
            [f"  {tried.number}", *map(figure, [tried.figure, *tried.values.values()]), f"{tried.seconds:.0f}"]
            for tried in finished[:SHOWN]
        ],
        ["  trial", found.metric, *finished[0].values, "seconds"],
        right=True,
    )
    print_text(f"\n{found.folder} · {found.study.name} · best.toml\nNext: srl run {found.best}")


def figure(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
