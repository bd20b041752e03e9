"""What was looked at, and what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

GB = 2**30


@dataclass(frozen=True, slots=True)
class Problem:
    what: str
    do: str


@dataclass(slots=True)
class Section:
    rows: dict[str, str] = field(default_factory=dict)  # label -> what was found
    problems: list[Problem] = field(default_factory=list)

    def problem(self, what: str, do: str) -> None:
        self.problems.append(Problem(what, do))


def examined(title: str, look: Callable[[Section], None]) -> Section:
    """What cannot even be looked at is a problem like any other."""
    section = Section()
    try:
        look(section)
    except Exception as error:
        lines = str(error).splitlines() or [""]
        section.problem(f"{title} could not be examined: {type(error).__name__}: {lines[0]}", "srl --debug doctor")
    return section


def gigabytes(size: float) -> str:
    return f"{size / GB:.1f} GB"
