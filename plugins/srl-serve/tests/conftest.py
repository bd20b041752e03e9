"""A small run on made-up data, and servers that answer with it."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from srl_serve.app import make_app
from srl_serve.guard import Guard
from srl_serve.metrics import Metrics
from srl_serve.server import Server, listen
from srl_serve.settings import Settings

from sasrec_llm import LoadedRun, load_run, prepare, run

RECIPE = """
name = "small"
[data]
use = "demo"
protocol = "temporal"
[encoder]
use = "sasrec"
width = 16
heads = 2
[strategy]
use = "encoder-only"
[stages.encoder]
objective = "like"
train = ["encoder"]
epochs = 1
epoch_steps = 4
[evaluate]
subsets = ["all"]
floors = []
"""


@dataclass(frozen=True)
class Said:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Running:
    """A server in a thread of this process."""

    def __init__(self, loaded: LoadedRun, settings: Settings) -> None:
        self.metrics = Metrics()
        place = listen(settings)
        self.port = place.getsockname()[1]
        guard = Guard(make_app(loaded, settings, self.metrics), settings=settings, metrics=self.metrics)
        self._server = Server(guard)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [place]})
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            self._thread.join(0.01)

    @property
    def address(self) -> str:
        return f"http://localhost:{self.port}"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Said:
        """`body`: bytes as they are, anything else as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, content, {"Content-Type": "application/json", **given})
            response = connection.getresponse()
            return Said(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read().decode())
        finally:
            connection.close()

    def post(self, path: str, **body: Any) -> Said:
        return self.ask("POST", path, body)

    def metric(self, name: str) -> float:
        lines = [line for line in self.metrics.text().decode().splitlines() if line.startswith(f"{name} ")]
        return float(lines[0].rsplit(" ", 1)[1])


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which the run is found."""
    folder = tmp_path_factory.mktemp("serve")
    found = {name: str(folder / name) for name in ("SRL_DATA", "SRL_RUNS", "SRL_CACHE")}
    (folder / "small.toml").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in found.items():
            patch.setenv(name, value)
        prepare("demo")
        run(folder / "small.toml")
    return found


@pytest.fixture(scope="session")
def loaded(folders: dict[str, str]) -> LoadedRun:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in folders.items():
            patch.setenv(name, value)
        return load_run("small")


Serve = Callable[..., Running]


@pytest.fixture
def serve(loaded: LoadedRun) -> Iterator[Serve]:
    """`serve(token="x")` starts one; all are stopped behind the test."""
    started: list[Running] = []

    def start(**settings: Any) -> Running:
        started.append(Running(loaded, Settings(port=0, **settings)))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture(scope="module")
def server(loaded: LoadedRun) -> Iterator[Running]:
    running = Running(loaded, Settings(port=0))
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SRL_SERVE_TOKEN", raising=False)
