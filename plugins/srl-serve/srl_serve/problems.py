"""Every error as {"error": what is wrong, "hint": what to do}."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from sasrec_llm import UsageError
from srl_serve.batcher import FullError, GoneError
from srl_serve.guard import problem
from srl_serve.models import Problem
from srl_serve.settings import BODY_BYTES

HINTS = {
    400: "Send JSON, with the header Content-Type: application/json",
    404: "See /openapi.json for what there is",
    405: "See /openapi.json for what there is",
    413: f"A body may have {BODY_BYTES // 1024} KB",
}
SAID = {
    400: "the body is not JSON, or the request cannot be read",
    401: "a token is needed",
    404: "no such title, or no such page",
    413: f"the body has more than {BODY_BYTES // 1024} KB",
    422: "the body is JSON, but not what is expected",
    503: "too many wait already, or it took too long; see Retry-After",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": said} for status, said in SAID.items()
}


def add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(UsageError, _unknown)
    app.add_exception_handler(FullError, _full)
    app.add_exception_handler(GoneError, _gone)
    app.add_exception_handler(Exception, _defect)


def _invalid(_: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    if first["type"] == "json_invalid" or not where:
        return problem(400, "the body is not a JSON object", HINTS[400])
    count = len(error.errors())
    more = f" ({count} problems in all)" if count > 1 else ""
    return problem(422, f"{where}: {first['msg']}{more}", "See /openapi.json for what is expected")


def _http(_: Request, error: Any) -> JSONResponse:
    said = f"the body has more than {BODY_BYTES:,} bytes" if error.status_code == 413 else str(error.detail)
    return problem(error.status_code, said, HINTS.get(error.status_code, ""), error.headers)


def _unknown(_: Request, error: Any) -> JSONResponse:
    return problem(404, str(error), error.hint)


def _full(_: Request, error: Any) -> JSONResponse:
    return problem(503, "too many questions wait already", "Ask again in a second", {"Retry-After": "1"})


def _gone(_: Request, error: Any) -> JSONResponse:
    return problem(499, "nobody waits for the answer", "")


def _defect(_: Request, error: Any) -> JSONResponse:
    return problem(500, "the server failed", "Its log says why")
