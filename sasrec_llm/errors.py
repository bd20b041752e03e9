"""Everything that can go wrong, in one tree. The class decides the exit code; the hint names the way out.

SrlError                1   a defect of ours
├── UsageError          2   what the user can mend in the command, the recipe or the data
│   ├── RecipeError         a recipe with problems, all listed
│   ├── ComponentError      unknown, duplicate or unfit component
│   ├── DataError           input that cannot be read, is empty, or is not prepared
│   ├── ModelError          a backbone that cannot be loaded as asked
│   └── RunError            no such run, or a run that does not fit the request
├── NonFiniteError      3   a loss or a score that is not a number
├── StorageError        4   a download, a disk
├── DamagedError        5   an artefact whose bytes or keys are not what they should be
├── UnsafeError         6   refused: would write outside its folder, or run foreign code
├── LockedError        75   another process works on the same run or dataset
├── LostError          75   another process of the same job is gone
└── StoppedError      130   a watcher of the run has seen enough
"""

from __future__ import annotations

from collections.abc import Sequence


class SrlError(Exception):
    """An error with a message for people, an exit code, and the command that mends it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", exit_code: int | None = None) -> None:
        """`exit_code`: of the error of another process, whose kind is not known here."""
        super().__init__(message)
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code


class UsageError(SrlError):
    exit_code = 2


class RecipeError(UsageError):
    """All problems of one recipe at once: (key path, what is wrong)."""

    def __init__(self, where: str, problems: Sequence[tuple[str, str]]) -> None:
        self.problems = list(problems)
        width = max((len(path) for path, _ in self.problems), default=0)
        lines = [f"  {path:<{width}}  {text}" for path, text in self.problems]
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        super().__init__(
            "\n".join([f"{where} has {count}:", *lines]), hint=f"Check again: srl recipes validate {where}"
        )


class ComponentError(UsageError):
    pass


class DataError(UsageError):
    pass


class ModelError(UsageError):
    pass


class RunError(UsageError):
    pass


class NonFiniteError(SrlError):
    exit_code = 3


class StorageError(SrlError):
    exit_code = 4


class DamagedError(SrlError):
    exit_code = 5


class UnsafeError(SrlError):
    exit_code = 6


class LockedError(SrlError):
    exit_code = 75


class LostError(SrlError):
    exit_code = 75


class StoppedError(SrlError):
    exit_code = 130


def out_of_memory(error: BaseException) -> bool:
    """What PyTorch raises for it on a CPU is a RuntimeError like any other."""
    kind = type(error).__name__
    return kind in ("MemoryError", "OutOfMemoryError") or (
        kind == "RuntimeError" and "can't allocate memory" in str(error)
    )
