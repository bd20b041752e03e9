"""A component is a frozen record: a name, what it does, its settings, and how to build it.

Records and settings import nothing heavy, so `srl --help`, recipe checks and listings stay instant; `build` is a
"module:attribute" string that is imported when the component is first used.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from sasrec_llm.errors import ComponentError

if TYPE_CHECKING:
    from sasrec_llm.interfaces import Aligner, Backbone, Member, Scorer, TrainingData

Task = Literal["like", "next-item"]  # what is asked at evaluation: will the user like it, or what comes next
Learns = Literal["rows", "likes", "sequences", "all"]
KINDS = ("sources", "encoders", "aligners", "backbones", "strategies", "metrics")
NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*(@[0-9]+)?")


class Settings(BaseModel):
    """Base of every component's settings: unknown keys are errors, values do not change."""

    of_place: ClassVar[frozenset[str]] = frozenset()  # those that say where it computes, and change no result

    model_config = ConfigDict(  # a validator is built when it is first needed, for most commands never
        extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildContext:
    """What a part may know while it is built. Parts are built in this order: backbone, encoder, aligner, strategy."""

    n_users: int
    n_items: int
    item_texts: tuple[str, ...]  # text of item 1 first
    item_categories: tuple[str, ...] = ()  # of item 1 first, with commas between; "" where none is known
    seed: int
    cache: Path  # for what is costly to build and depends on nothing but its key
    device: str = "cpu"
    data: TrainingData | None = None
    task: Task = "like"
    like_at: float = 4.0  # ratings from this one on are likes
    together: bool = False  # all processes of a run build it, and can divide it
    member: Callable[[str], Member] | None = None  # loads a finished run on the same data
    home: Callable[[], BuildContext] | None = None  # of a finished run that is asked about other data than its own
    encoder: Scorer | None = None
    backbone: Backbone | None = None
    aligner: Aligner | None = None

    @property
    def learned(self) -> BuildContext:
        """The world to learn from: this one, but for a run that is asked about other data."""
        return self.home() if self.home else self


S = TypeVar("S", bound=Settings)
P = TypeVar("P")


def resolve(target: str | Callable[..., Any]) -> Callable[..., Any]:
    """Import what a "module:attribute" string names."""
    if callable(target):
        return target
    module, _, attribute = target.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ComponentError(f"cannot import {target!r}: {error}") from error
    if not callable(found):
        raise ComponentError(f"{target!r} cannot be called")
    return found  # type: ignore[no-any-return]


def _checked(name: str, summary: str) -> None:
    if not NAME.fullmatch(name):
        raise ComponentError(f"component name {name!r} must be lower-case letters, digits, and . _ - between them")
    if not summary:
        raise ComponentError(f"component {name!r} has no summary")


@dataclass(frozen=True, slots=True, kw_only=True)
class Component(Generic[S, P]):
    """One choice of one kind. `offers` are the capabilities that others may ask for."""

    name: str
    summary: str
    settings: type[S]
    build: str | Callable[[S, BuildContext], P]
    offers: frozenset[str] = frozenset()
    needs: Mapping[str, frozenset[str]] = field(default_factory=dict)  # section -> capabilities
    may: Mapping[str, frozenset[str]] = field(default_factory=dict)  # the same, of sections it can do without
    paper: str = ""  # where it is from: "Kang & McAuley 2018, arXiv 1808.09781", or a doi; "; " between several

    def __post_init__(self) -> None:
        _checked(self.name, self.summary)

    def make(self, settings: S, context: BuildContext) -> P:
        return resolve(self.build)(settings, context)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One way to train and to score with a strategy: parts it may train, sections it uses, capabilities it needs."""

    summary: str
    train: tuple[str, ...]
    uses: tuple[str, ...]  # a change of any other section leaves what it learned valid
    learns: Learns = "rows"  # labelled rows, liked rows with a history, sequences of likes; or all of it, at one look
    needs: Mapping[str, frozenset[str]] = field(default_factory=dict)  # section -> capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Across:
    """How a strategy answers about users and items that it never saw."""

    objectives: Mapping[str, str]  # those that can -> the ablation they need for it, or ""; "" stands for untrained
    tasks: tuple[Task, ...] = ("like", "next-item")
    parts: frozenset[str] = frozenset({"lora"})  # what is taken of the finished run: it knows words, not items


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyComponent(Component[S, P]):
    """A strategy's `needs` are the sections it is made of; it also says which objectives it knows."""

    objectives: Mapping[str, Objective]  # the last one is what the finished system answers with
    to_rank: frozenset[str] = frozenset()  # the sections of `may` that it needs to rank the catalogue
    ablations: Mapping[str, str] = field(default_factory=dict)  # ways to cripple it, and what each does
    across: Across | None = None
    why_not: str = "it knows only the users and items it was trained on"  # where `across` does not apply

    @property
    def parts(self) -> list[str]:
        """Every part that some objective trains."""
        return list(dict.fromkeys(part for objective in self.objectives.values() for part in objective.train))


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricComponent:
    """A number for a set of answers: `measure(answers) -> float`, or `measure(answers, at)` where `at` is set."""

    name: str
    summary: str
    measure: str | Callable[..., float]
    larger_is_better: bool = True
    task: Task = "like"  # answers are `Scored` rows, or `Ranked` ones
    at: int | None = None  # the k of "@k"
    paper: str = ""

    def __post_init__(self) -> None:
        _checked(self.name, self.summary)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which of a source's datasets is meant: its name, and the files to download, none of a known checksum."""

    name: str
    urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A dataset `srl data prepare` can read.

    `read(connection, folder_or_file, options)` fills two DuckDB tables with text columns:
    raw_interactions(line, user, item, timestamp [, rating, label, split]) and
    raw_items(line, item [, title, brand, category, description]).
    A label is 1 for liked or 0; a published split is 0 train, 1 valid, 2 test; where either is NULL, nothing is told.
    """

    name: str
    summary: str
    licence: str
    read: str | Callable[..., None]
    url: str = ""
    sha256: str = ""
    plan: str | Callable[..., Plan] | None = None  # plan(options, folder or file or None), for more than one dataset
    options: frozenset[str] = frozenset()  # of the keys for own data, those that `read` or `plan` looks at
    generated: bool = False  # `read` is given an empty folder to write into
    like_at: float = 4.0
    history: str = "strict"  # whether a liked item of the same second belongs to the history
    paper: str = ""

    def __post_init__(self) -> None:
        _checked(self.name, self.summary)
