"""What a page is made from: plain records, filled from a run's folder or from a comparison of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sasrec_llm.components import Task
from sasrec_llm.evaluation.examiner import Cost
from sasrec_llm.evaluation.results import Table

Kind = Literal["system", "ablation", "stage", "floor"]  # stage: what an earlier stage could do when it ended
Better = Literal["higher", "lower", ""]  # "": neither is better


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric, as it is shown."""

    name: str
    title: str
    better: Better = ""
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of training, and how it went where it was logged."""

    name: str
    objective: str
    trained: Mapping[str, int] = field(default_factory=dict)  # part -> parameters
    metric: str = ""  # what it was stopped by and chosen on
    best_epoch: int | None = None
    epochs: int | None = None
    stopped_early: bool = False
    seconds: float | None = None
    validated: Sequence[tuple[float, Mapping[str, float]]] = ()  # (epoch, metric -> value on validation)
    losses: Sequence[tuple[float, float]] = ()  # (epoch, mean training loss up to it)

    @property
    def length(self) -> float:
        """Epochs that the log knows of."""
        return max([0.0, *(epoch for epoch, _ in self.validated), *(epoch for epoch, _ in self.losses)])


@dataclass(frozen=True, slots=True)
class Training:
    """The stages of one run, in order."""

    system: str
    seed: int
    stages: Sequence[Stage]

    @property
    def logged(self) -> bool:
        return any(stage.validated or stage.losses for stage in self.stages)


@dataclass(frozen=True, slots=True)
class Reliability:
    """Rows in bins of equal size by probability: what was said, and how often it was so."""

    said: Sequence[float]
    happened: Sequence[float]
    rows: Sequence[int]


@dataclass(frozen=True, slots=True)
class Popularity:
    """Shares over tenths of the train likes, most popular items first; the last is of items without any like."""

    items: Sequence[int]  # how many items make up each
    liked: Sequence[float]
    recommended: Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Shown:
    """An item as it was put before one user."""

    title: str
    figure: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Example:
    """One user: what was known, what the system said, what happened."""

    user: int
    known: int
    history: Sequence[str]  # the latest titles, oldest first
    shown: Sequence[Shown]
    outcome: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where a run's figures come from."""

    run: str
    recipe: str  # as given
    resolved: str  # with every default, JSON
    environment: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All that a page says. What is missing has a note under the name of its section."""

    title: str
    data: Mapping[str, str]  # name, protocol, task, history, sha256
    measures: Mapping[str, Measure]
    systems: Mapping[str, Kind]  # in the order of the tables
    test: Sequence[Table]
    valid: Sequence[Table] = ()
    reference: str = ""  # what the tables' differences are from
    baseline: str = ""  # what relative figures stand against
    costs: Mapping[str, Cost] = field(default_factory=dict)
    trainings: Sequence[Training] = ()
    answers: Mapping[str, Mapping[str, Sequence[int]]] = field(default_factory=dict)
    reliability: Mapping[str, Reliability] = field(default_factory=dict)
    calibrated: Mapping[str, Reliability] = field(default_factory=dict)
    popularity: Popularity | None = None
    examples: Sequence[Example] = ()
    card: Sequence[tuple[str, str]] = ()
    sources: Sequence[Source] = ()
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def task(self) -> Task:
        return "like" if self.data["task"] == "like" else "next-item"

    @property
    def whole(self) -> Table:
        """The table over every test row; failing that, the first."""
        return next((table for table in self.test if table.subset == "all"), self.test[0])

    def of(self, *kinds: Kind) -> list[str]:
        return [name for name, kind in self.systems.items() if kind in kinds]
