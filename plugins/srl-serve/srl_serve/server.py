"""uvicorn, ended by a signal as by anything else: what waits is answered, then it is over."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from sasrec_llm import UsageError
from srl_serve.protocol import Bounded
from srl_serve.settings import Settings

GRACE_S = 10  # for what is under way at the end


class Server(uvicorn.Server):
    def __init__(self, app: ASGIApp, ready: Callable[[], None] = lambda: None) -> None:
        """`ready` is called when questions are let in."""
        self._ready = ready
        super().__init__(
            uvicorn.Config(
                app,
                http=Bounded,
                log_config=None,
                access_log=False,
                ws="none",
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE_S,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Without raising them again at the end, as uvicorn does: whoever stops a server has what they wanted."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def listen(settings: Settings) -> socket.socket:
    """The place is taken before anything is loaded, but nobody is let in."""
    with contextlib.ExitStack() as opened:
        try:
            family, kind, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
            found = opened.enter_context(socket.socket(family, kind))
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
        except OSError as error:
            where = f"{settings.host}:{settings.port}"
            hint = "Give another: --port 8001, or --host"
            raise UsageError(f"{where} cannot be listened on: {error.strerror}", hint=hint) from error
        opened.pop_all()
    return found
