"""Ctrl-C and SIGTERM: what must not be cut in two is finished first, and the command ends in 130 or 143.

The second signal ends the process at once; what it leaves half-written has a temporary name.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType

_held = 0
_received = 0


class Interrupted(BaseException):
    """Like KeyboardInterrupt, not to be caught by those who handle errors."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Inside, either signal raises `Interrupted`."""
    global _received
    handlers = {signal.SIGINT: _receive, signal.SIGTERM: _receive}
    if sys.platform != "win32":
        handlers[signal.SIGALRM] = _remind
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    hook, sys.unraisablehook = sys.unraisablehook, _swallowed
    try:
        yield
    except Exception as error:
        # A signal in the middle of an import leaves half a module, and who swallows it goes on with that half.
        if _received and not isinstance(error, OSError) and not hasattr(error, "exit_code"):
            raise Interrupted(_received) from error
        raise
    finally:
        _received = 0
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def _receive(number: int, frame: FrameType | None) -> None:
    global _received
    if _received:
        os._exit(128 + number)
    _received = number
    _remind(number, frame)


def _remind(number: int, frame: FrameType | None) -> None:
    if _received and not _held:
        raise Interrupted(_received)


def _swallowed(what: sys.UnraisableHookArgs) -> None:
    """Python ignores what is raised while it clears away an object. Ask again in a moment."""
    if isinstance(what.exc_value, Interrupted) and sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, 0.01)
    else:
        sys.__unraisablehook__(what)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """A signal that comes inside is raised at the end."""
    global _held
    _held += 1
    try:
        yield
    finally:
        _held -= 1
    if _received and not _held:
        raise Interrupted(_received)
