"""The outermost layer: who may ask, how long an answer may take, and the count of it all."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from srl_serve.metrics import Metrics
from srl_serve.settings import BODY_BYTES, Settings

OPEN = frozenset({"/health", "/", "/page.css", "/page.js"})  # the page asks for the token, so it has to be seen
COUNTED = OPEN | {"/recommend", "/score", "/items", "/metrics", "/openapi.json"}
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
HEADERS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


class Guard:
    def __init__(self, app: ASGIApp, *, settings: Settings, metrics: Metrics) -> None:
        self.app = app
        self.settings = settings
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, size = time.perf_counter(), 0, 0

        async def received() -> Message:
            """What Content-Length promises is not relied on."""
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > BODY_BYTES:
                raise HTTPException(413)
            return message

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        try:
            async with asyncio.timeout(self.settings.timeout_s):
                await (self._refusal(scope) or self.app)(scope, received, sent)
        except TimeoutError:
            if not status:
                late = f"no answer within {self.settings.timeout_s:g} seconds"
                await problem(503, late, "Ask again later", {"Retry-After": "5"})(scope, receive, sent)
        finally:
            route = scope["path"] if scope["path"] in COUNTED else "other"
            self.metrics.requested(route, status or 500, time.perf_counter() - began)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers, token = dict(scope["headers"]), self.settings.token
        if token is None:  # a page of elsewhere whose name leads to this machine must not read what is its user's
            if named(headers.get(b"host", b"")) in LOCAL | {self.settings.host}:
                return None
            return problem(400, "this server answers to localhost alone", "Start it with --token to serve other names")
        given = headers.get(b"authorization", b"")
        if scope["path"] in OPEN or hmac.compare_digest(given, f"Bearer {token}".encode()):
            return None
        return problem(
            401, "a token is needed", "Send the header Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"}
        )


@lru_cache(100)
def named(host: bytes) -> str | None:
    """`[::1]:8000` -> `::1`"""
    try:
        return urlsplit(f"//{host.decode('latin-1')}").hostname
    except ValueError:
        return None


def problem(status: int, error: str, hint: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": error, "hint": hint}, status, headers)
