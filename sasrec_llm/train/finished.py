"""Publishing a stage, and finding one that is finished: in its place, or in another run that has done the very same."""

from __future__ import annotations

import itertools
import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sasrec_llm import processes
from sasrec_llm.durable import new_folder, read_json, verify, write_json
from sasrec_llm.errors import DamagedError
from sasrec_llm.evaluation.examiner import Examiner
from sasrec_llm.evaluation.predictions import load_predictions, save_predictions
from sasrec_llm.evaluation.task import Answers, Task
from sasrec_llm.interfaces import Part, StageInfo
from sasrec_llm.train.parts import save_part

log = logging.getLogger(__name__)
STAGES = "stages/*/result/stage.json"
PLACES = (f"*/{STAGES}", f"tune-*/trials/*/{STAGES}")  # of runs, and of the trials of searches


def publish(
    result: Path,
    identity: str,
    info: StageInfo,
    facts: Mapping[str, Any],
    trained: Mapping[str, tuple[Part, dict[str, Any]]],
    task: Task,
    answers: Mapping[str, Answers],
) -> None:
    """What a stage has trained, what it answers, and how that came about."""
    about = {"stage": info.name, "objective": info.objective, "trained_parameters": dict(info.train)}
    with new_folder(result) as draft:
        for name, (part, of_part) in trained.items():
            save_part(draft / name, part, of_part)
        save_predictions(draft / "predictions.parquet", task, {info.name: answers})
        write_json(draft / "stage.json", {"identity": identity, **about, **facts})


def is_finished(result: Path, identity: str) -> bool:
    return (result / "stage.json").is_file() and read_json(result / "stage.json")["identity"] == identity


def adopt(result: Path, identity: str, runs: Path) -> bool:
    """If another run, or a trial of a search, has done this very stage, take a copy."""
    for path in itertools.chain.from_iterable(sorted(runs.glob(place)) for place in PLACES):
        found = path.parent
        if found != result and is_finished(found, identity):
            try:
                verify(found)
            except DamagedError as error:
                log.warning("%s; not taken over", error)
                continue
            with new_folder(result) as draft:
                shutil.copytree(found, draft, dirs_exist_ok=True)
            log.info("stage %s taken over from %s", result.parent.name, found)
            return True
    return False


def complete(result: Path, examiner: Examiner, ask: Callable[[str], Answers]) -> dict[str, Answers]:
    """A stage's answers by split. A trial of a search answers for validation alone; who takes it over adds the rest."""
    path = "predictions.parquet"
    processes.wait()  # for who writes it
    ((name, found),) = load_predictions(result / path, examiner.task).items()
    missing = [split for split in examiner.splits if split not in found]
    if missing:
        found |= {split: ask(split) for split in missing}
        if processes.first():
            with new_folder(result) as draft:
                shutil.copytree(result, draft, dirs_exist_ok=True)
                save_predictions(draft / path, examiner.task, {name: found})
    return found
