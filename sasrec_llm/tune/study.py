"""The memory of a search, kept in a file by optuna: what was tried, what came of it, what to try next.

The only importer of optuna. What is tried next depends on the seed and on what was tried to its end, not on when: a
search that was interrupted goes on as if it had not been.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from sasrec_llm.durable import digest, write_bytes
from sasrec_llm.errors import UsageError
from sasrec_llm.recipe.space import Range, Search

BEGINS = b'{"op_code"'  # every line of optuna's journal
Ended = Literal["finished", "pruned", "unfit"]  # to its end; cut short; could not be run


@dataclass(frozen=True, slots=True)
class Tried:
    """One trial that has ended."""

    number: int  # from 1
    values: Mapping[str, Any]  # by key path
    ended: Ended
    figure: float | None  # of a finished one: the metric on validation
    seconds: float
    why: str = ""  # it was unfit


class Study:
    def __init__(
        self, *, file: Path, name: str, search: Search, larger_is_better: bool, seed: int, first: Mapping[str, Any]
    ) -> None:
        """Open the study of that name, or begin it with the values `first`. Interrupted trials do not count."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        file.parent.mkdir(parents=True, exist_ok=True)
        self._space = search.space
        self._larger = larger_is_better
        self._seed = seed
        self._first = {path: self._kept(path, value) for path, value in first.items()}
        mend(file)
        self._study = optuna.create_study(
            study_name=name,
            storage=JournalStorage(JournalFileBackend(str(file), JournalFileOpenLock(str(file)))),
            direction="maximize" if larger_is_better else "minimize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=search.startup),
            load_if_exists=True,
        )
        self._trial: optuna.Trial | None = None
        for left in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._study.tell(left.number, state=TrialState.FAIL)

    def tried(self) -> list[Tried]:
        ended = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        return [self._tried(number, trial) for number, trial in enumerate(ended, start=1)]

    def best(self) -> Tried | None:
        """The first of the best."""
        finished = [trial for trial in self.tried() if trial.figure is not None]
        return min(finished, key=self.order, default=None)

    def order(self, trial: Tried) -> float:
        """Small is good; for sorting finished trials."""
        assert trial.figure is not None
        return -trial.figure if self._larger else trial.figure

    def ask(self) -> dict[str, Any]:
        """What to try next."""
        number = len(self.tried())
        seed = int(digest([self._seed, number])[:8], 16)
        self._study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=False)
        if not number:
            self._study.enqueue_trial(self._first)
        self._trial = self._study.ask()
        return {path: suggest(self._trial, path, space) for path, space in self._space.items()}

    def hopeless(self, step: int, value: float) -> bool:
        """Whether the trial is worse at this step than the median of those before it."""
        assert self._trial is not None
        self._trial.report(value, step)
        return self._trial.should_prune()

    def tell(self, ended: Ended, *, figure: float | None = None, seconds: float = 0.0, why: str = "") -> None:
        assert self._trial is not None
        for key, value in (("seconds", round(seconds, 3)), ("why", why)):
            self._trial.set_user_attr(key, value)
        if ended == "finished":
            self._study.tell(self._trial, figure)
        else:
            self._study.tell(self._trial, state=TrialState.PRUNED)

    def give_up(self) -> None:
        """The trial was interrupted; it will be asked for again."""
        assert self._trial is not None
        self._study.tell(self._trial, state=TrialState.FAIL)

    def _kept(self, path: str, value: Any) -> Any:
        """As optuna keeps it."""
        return value if isinstance(self._space[path], Range) else json.dumps(value)

    def _tried(self, number: int, trial: FrozenTrial) -> Tried:
        values = {
            path: trial.params[path] if isinstance(space, Range) else json.loads(trial.params[path])
            for path, space in self._space.items()
        }
        finished, why = trial.state is TrialState.COMPLETE, trial.user_attrs.get("why", "")
        return Tried(
            number,
            values,
            "finished" if finished else "unfit" if why else "pruned",
            trial.value if finished else None,
            trial.user_attrs.get("seconds", 0.0),
            why,
        )


def mend(file: Path) -> None:
    """Cut off a last line that was not written to its end, lest the next become a part of it."""
    content = file.read_bytes() if file.is_file() else b""
    if content and not content.startswith(BEGINS):
        raise UsageError(f"{file} is not the journal of a study", hint="Name another: --study FILE")
    if content and not content.endswith(b"\n"):
        write_bytes(file, content[: content.rfind(b"\n") + 1])


def suggest(trial: optuna.Trial, path: str, space: Range | tuple[Any, ...]) -> Any:
    """Choices are kept as JSON, so that 1, 1.0, true and lists stay what they are."""
    if not isinstance(space, Range):
        return json.loads(trial.suggest_categorical(path, [json.dumps(choice) for choice in space]))
    if space.whole:
        return trial.suggest_int(path, int(space.low), int(space.high), log=space.log)
    return trial.suggest_float(path, space.low, space.high, log=space.log)
