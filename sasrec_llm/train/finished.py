"""Finding a stage that is finished: in its own place, or in another run that has done the very same."""

from __future__ import annotations

import itertools
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from sasrec_llm.durable import new_folder, read_json, verify
from sasrec_llm.errors import DamagedError
from sasrec_llm.evaluation.examiner import Examiner
from sasrec_llm.evaluation.predictions import load_predictions, save_predictions
from sasrec_llm.evaluation.task import Answers

log = logging.getLogger(__name__)
STAGES = "stages/*/result/stage.json"
PLACES = (f"*/{STAGES}", f"tune-*/trials/*/{STAGES}")  # of runs, and of the trials of searches


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
    ((name, found),) = load_predictions(result / path, examiner.task).items()
    missing = [split for split in examiner.splits if split not in found]
    if missing:
        found |= {split: ask(split) for split in missing}
        with new_folder(result) as draft:
            shutil.copytree(result, draft, dirs_exist_ok=True)
            save_predictions(draft / path, examiner.task, {name: found})
    return found
