"""How a broken promise is told: one AssertionError that names the component, whoever runs the test."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel

from sasrec_llm.errors import SrlError
from sasrec_llm.recipe.check import checked
from sasrec_llm.recipe.fit import Problems

OURS = tuple(str(Path(module.__file__ or "").parent) for module in (torch, contextlib))
HERE = str(Path(__file__).parent.parent)
M = TypeVar("M", bound=BaseModel)


def promise(kept: object, text: str) -> None:
    """`assert`, but not to be switched off."""
    if not kept:
        raise AssertionError(text)


def chosen(model: type[M], settings: Mapping[str, Any] | None) -> M:
    """The settings, with defaults for what is not given."""
    problems: Problems = []
    found = checked(model, dict(settings or {}), "", problems)
    if found is None:
        raise AssertionError("its settings: " + "; ".join(f"{path} {text}" for path, text in problems))
    return found


@contextlib.contextmanager
def promised(kind: str, name: str) -> Iterator[None]:
    """Within, whatever goes wrong is an AssertionError; a foreign one says in which line. Leaves the random state."""
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    except AssertionError as error:
        raise AssertionError(f"{kind} {name!r}: {error}") from None
    except Exception as error:
        what = str(error) if isinstance(error, SrlError) else f"{type(error).__name__}: {error}{_place(error)}"
        raise AssertionError(f"{kind} {name!r}: {what}") from error


def _place(error: Exception) -> str:
    """The last line of the author's own code on the way to the error."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith((HERE, *OURS, "<"))]
    return f" ({own[-1].filename}:{own[-1].lineno})" if own else ""
