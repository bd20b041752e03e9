"""What those who watch a run are told about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run of one recipe. Run again after an interruption it is the same run, with the same name."""

    name: str
    folder: Path  # with recipe.toml, resolved.json and manifest.json from the start; docs/recipes.md lists the rest


@dataclass(frozen=True, slots=True)
class StageInfo:
    """What the event hooks are told about a stage."""

    run: str
    name: str
    position: int  # from 1
    count: int
    objective: str
    train: Mapping[str, int]  # part -> number of parameters
    epochs: int
    steps: int  # optimiser steps of an epoch; 0 for a closed form
    metric: str
