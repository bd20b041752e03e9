"""A run's folder: `runs/<date>-<recipe>-<hash>/`.

recipe.toml        as given                       resolved.json   with every default
manifest.json      versions, data hash, device    log.jsonl       what happened, step by step
failure.json       the error it ended in, until it is started again
stages/<name>/     checkpoints while training; `result/` when done
metrics.json  predictions.parquet  costs.json      report.txt  report.html
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sasrec_llm.durable import DRAFT, digest, read_json, sweep, write_json, write_text
from sasrec_llm.errors import StoppedError
from sasrec_llm.hookspecs import hookimpl
from sasrec_llm.interfaces import StageInfo
from sasrec_llm.locks import locked
from sasrec_llm.recipe import Recipe

PAGE = "report.html"
FAILURE = "failure.json"


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where datasets, runs and costly intermediate results are."""

    data: Path
    runs: Path
    cache: Path

    @classmethod
    def from_environment(cls) -> Workspace:
        cache = os.environ.get("SRL_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "srl"
        return cls(Path(os.environ.get("SRL_DATA", "data")), Path(os.environ.get("SRL_RUNS", "runs")), Path(cache))

    def absolute(self) -> Workspace:
        """The same places, wherever one stands."""
        return Workspace(self.data.absolute(), self.runs.absolute(), self.cache.absolute())


class Run:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        return self.folder.name

    def stage(self, name: str) -> Path:
        return self.folder / "stages" / name

    def stage_files(self, recipe: Recipe) -> list[Path]:
        return [self.stage(name) / "result" / "stage.json" for name in recipe.stages]

    def resolved(self) -> dict[str, Any]:
        return read_json(self.folder / "resolved.json")  # type: ignore[no-any-return]

    def manifest(self) -> dict[str, Any]:
        return read_json(self.folder / "manifest.json")  # type: ignore[no-any-return]

    def metrics(self) -> dict[str, Any]:
        return read_json(self.folder / "metrics.json")  # type: ignore[no-any-return]

    def costs(self) -> dict[str, Any]:
        """Of `systems` and of `stages`."""
        path = self.folder / "costs.json"
        if path.is_file():
            return read_json(path)  # type: ignore[no-any-return]
        metrics = self.metrics()  # until version 2 they stood among the figures
        return {"systems": metrics.get("cost", {}), "stages": metrics.get("stages", {})}

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Work on it alone. An error that ends the work is kept, for those who ask why there are no figures."""
        with locked(self.folder):
            sweep(self.folder, f"**/{DRAFT}*")
            (self.folder / FAILURE).unlink(missing_ok=True)
            try:
                yield
            except StoppedError:
                raise
            except Exception as error:
                if self.folder.is_dir():
                    about = {"error": type(error).__name__, "message": str(error), "hint": getattr(error, "hint", "")}
                    with contextlib.suppress(OSError):  # a full disk may be what ended it
                        write_json(self.folder / FAILURE, {"when": now(), **about})
                raise

    def truncate_log(self, stage: str, step: int, epoch: int) -> None:
        """Forget what was logged of a stage after so many steps and epochs: it is done again."""
        path = self.folder / "log.jsonl"
        if path.is_file():
            entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
            kept = [
                entry
                for entry in entries
                if entry["stage"] != stage
                or (entry["step"] <= step and (entry["event"] == "step" or entry["epoch"] <= epoch))
            ]
            write_text(path, "".join(json.dumps(entry) + "\n" for entry in kept))


def find_place(runs: Path, recipe: Recipe, data_sha: str) -> Run:
    """The run of this recipe on this data: the one there is, or a new one."""
    return Run(dated(runs, recipe.head.name, _key(recipe, data_sha)))


def write_recipe(run: Run, recipe: Recipe, given: str) -> None:
    """As it was first given, and with every default."""
    if not (run.folder / "resolved.json").is_file():
        write_text(run.folder / "recipe.toml", given)
        write_json(run.folder / "resolved.json", recipe.dump())


def finished_run(runs: Path, recipe: Recipe, data_sha: str) -> Run | None:
    run = find_place(runs, recipe, data_sha)
    return run if (run.folder / "metrics.json").is_file() else None


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def dated(runs: Path, name: str, key: str) -> Path:
    """The folder of that name and key there is, of whatever day, or that of today."""
    found = sorted(runs.glob(f"*-{name}-{key}"))
    return found[-1] if found else runs / f"{datetime.now(UTC).date().isoformat()}-{name}-{key}"


def _key(recipe: Recipe, data_sha: str) -> str:
    return digest([recipe.identity(), data_sha])[:6]


class LogWriter:
    """Watches a run and appends to its log.jsonl; registered like any plugin."""

    def __init__(self, run: Run) -> None:
        self._path = run.folder / "log.jsonl"
        self._step = 0

    def _write(self, stage: StageInfo, **values: Any) -> None:
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"stage": stage.name, "step": self._step, **values}) + "\n")

    @hookimpl
    def srl_stage_started(self, stage: StageInfo) -> None:
        self._step = 0

    @hookimpl
    def srl_logged(self, stage: StageInfo, step: int, values: Mapping[str, float]) -> None:
        self._step = step
        self._write(stage, event="step", **values)

    @hookimpl
    def srl_evaluated(self, stage: StageInfo, split: str, metrics: Mapping[str, float]) -> None:
        self._write(stage, event="evaluated", split=split, **metrics)
