"""What a comparison is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Command:
    """A script of this folder, its arguments, and the environment that runs it: ours, or one of `.peers/`."""

    script: str
    args: tuple[str, ...] = ()
    environment: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)  # environment variables
    note: str = ""


@dataclass(frozen=True)
class Case:
    title: str
    unit: str
    ours: Command
    peers: Mapping[str, Command]
    targets: Mapping[str, float]  # peer -> the ratio we want, at least
    more_is_better: bool = True
    tolerance: Mapping[str, float] = field(default_factory=dict)  # check -> the largest difference between the two
    rounds: int = 5  # pairs of runs, at most
