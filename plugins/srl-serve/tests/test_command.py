"""The command: what it says, how it ends, and what it does not import."""

from __future__ import annotations

import contextlib
import http.client
import importlib.metadata
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

SRL = [sys.executable, "-m", "sasrec_llm"]
HELP = """
import sys
sys.argv = ["srl", *{arguments!r}]
from sasrec_llm.cli.app import main
try:
    main()
finally:
    heavy = ("torch", "numpy", "fastapi", "uvicorn", "prometheus_client")
    sys.stderr.write(repr([name for name in heavy if name in sys.modules]))
"""


@contextlib.contextmanager
def serving(folders: dict[str, str], *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    environment = {**os.environ, **folders}
    with subprocess.Popen(
        [*SRL, "serve", "small", "--port", "0", *options], stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stderr
            assert re.fullmatch(r"\S+-small-\w{6} · \d+ items\n", process.stderr.readline())
            found = re.match(r"http://127\.0\.0\.1:(\d+) · Ctrl-C ends it", process.stderr.readline())
            assert found
            yield process, int(found[1])
        finally:
            process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_when_all_are_answered(folders: dict[str, str], number: signal.Signals) -> None:
    with serving(folders) as (process, port):
        statuses: list[int] = []
        some_are_done = threading.Event()

        def client() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            while True:
                try:
                    connection.request("POST", "/recommend", b"{}", {"Content-Type": "application/json"})
                except OSError:
                    return  # the next one is not let in
                try:
                    response = connection.getresponse()
                except (http.client.RemoteDisconnected, ConnectionResetError):
                    return  # closed between two questions
                statuses.append(response.status)
                assert json.loads(response.read())["items"]
                if len(statuses) > 20:
                    some_are_done.set()
                if response.getheader("connection") == "close":
                    return

        clients = [threading.Thread(target=client) for _ in range(8)]
        for one in clients:
            one.start()
        assert some_are_done.wait(30)
        process.send_signal(number)
        assert process.wait(15) == 0
        for one in clients:
            one.join(10)
        assert set(statuses) == {200}
        assert process.stderr
        assert process.stderr.read() == ""


@pytest.fixture
def said(
    folders: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Call `srl serve` in this process -> its exit code, and what it says."""
    (srl,) = importlib.metadata.entry_points(group="console_scripts", name="srl")
    main = srl.load()

    def call(*arguments: str, **environment: str) -> tuple[int, str]:
        for name, value in (folders | environment).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["srl", "serve", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().err

    return call


def test_what_cannot_be_is_said_before_anything_is_loaded(said: Callable[..., tuple[int, str]]) -> None:
    code, text = said("nothing", "--host", "0.0.0.0")
    assert (code, text) == (
        2,
        "0.0.0.0 can be reached from other machines, so a token is needed\n"
        "export SRL_SERVE_TOKEN=$(openssl rand -hex 32)\n",
    )
    code, text = said("nothing", "--host", "0.0.0.0", "--port", "0", SRL_SERVE_TOKEN="x")
    assert code == 2
    assert "no finished run matches" in text
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        code, text = said("nothing", "--port", port)
        assert code == 2
        assert text.startswith(f"127.0.0.1:{port} cannot be listened on: Address already in use\n")


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["plugins"]])
def test_nothing_heavy_is_imported_for_help(arguments: list[str]) -> None:
    done: Any = subprocess.run(
        [sys.executable, "-c", HELP.format(arguments=arguments)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.endswith("[]"), done.stderr
    assert "serve" in done.stdout
