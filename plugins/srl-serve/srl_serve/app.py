"""The routes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response, Security
from fastapi.responses import FileResponse
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST

from sasrec_llm import LoadedRun
from srl_serve.answers import Answers, Ask
from srl_serve.batcher import Batcher
from srl_serve.metrics import Metrics
from srl_serve.models import AnswerResponse, HealthResponse, ItemsResponse, RecommendRequest, ScoreRequest
from srl_serve.problems import RESPONSES, add_handlers
from srl_serve.responses import Json, answered
from srl_serve.settings import LONGEST_TITLE, MOST_ITEMS, Settings

PAGE = Path(__file__).parent / "page"
STRICT = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


def make_app(loaded: LoadedRun, settings: Settings, metrics: Metrics) -> FastAPI:
    model = Batcher(
        Answers(loaded),
        size=settings.batch_size,
        limit=settings.queue,
        done=metrics.answered("model"),
    )

    def search(asked: Sequence[tuple[str, int]]) -> list[list[int]]:
        return [loaded.catalogue.search(text, count) for text, count in asked]

    titles = Batcher(search, size=8, limit=settings.queue, done=metrics.answered("titles"))
    metrics.watch("model", lambda: model.depth)
    metrics.watch("titles", lambda: titles.depth)
    metrics.describe(run=loaded.name, task=loaded.task, items=str(len(loaded.catalogue)))

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        running = [asyncio.create_task(batcher.run()) for batcher in (model, titles)]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    app = FastAPI(
        title="srl serve",
        description=f"Recommendations of {loaded.name}",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    add_handlers(app)
    token = [Security(HTTPBearer(auto_error=False))] if settings.token else []
    route: dict[str, Any] = {"dependencies": token, "responses": RESPONSES}

    @app.post("/recommend", **route, response_model=AnswerResponse)
    async def recommend(asked: RecommendRequest, request: Request) -> Json:
        """The best items for somebody."""
        ask = Ask(asked.user, tuple(asked.history), asked.k, asked.explain)
        return answered(loaded, ask, await model.ask(ask, request.is_disconnected))

    @app.post("/score", **route, response_model=AnswerResponse)
    async def score(asked: ScoreRequest, request: Request) -> Json:
        """How much somebody would like each of some items."""
        ask = Ask(asked.user, tuple(asked.history), items=tuple(asked.items))
        return answered(loaded, ask, await model.ask(ask, request.is_disconnected))

    @app.get("/items", **route, response_model=ItemsResponse)
    async def items(
        request: Request,
        q: Annotated[str, Query(min_length=1, max_length=LONGEST_TITLE, description="part of a title")],
        count: Annotated[int, Query(ge=1, le=MOST_ITEMS)] = 10,
    ) -> Json:
        """Items whose titles are like a text."""
        found = await titles.ask((q, count), request.is_disconnected)
        names = loaded.catalogue
        return Json({"items": [{"item": names.id_of(item), "title": names.title_of(item)} for item in found]})

    @app.get("/metrics", **route, response_class=Response)
    async def scrape() -> Response:
        """Counts and times, for Prometheus."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/health")
    async def health() -> HealthResponse:
        """Whether it answers."""
        return HealthResponse(status="ok")

    for path, file in {"/": "index.html", "/page.css": "page.css", "/page.js": "page.js"}.items():
        app.add_api_route(path, static(PAGE / file), response_class=FileResponse, include_in_schema=False)
    return app


def static(file: Path) -> Any:
    async def read() -> FileResponse:
        return FileResponse(file, headers=STRICT)

    return read
