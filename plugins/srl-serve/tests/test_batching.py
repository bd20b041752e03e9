"""Questions of the same moment are answered together, and none suffers from another."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sasrec_llm import LoadedRun, Question


class Gate:
    """Holds the run back, and writes down how many questions come at once."""

    def __init__(self, loaded: LoadedRun) -> None:
        self.open = threading.Event()
        self.busy = threading.Event()
        self.sizes: list[int] = []
        self._answer = loaded.answer

    def __call__(self, questions: Sequence[Question], k: int = 10, *, explain: bool = False) -> Any:
        self.sizes.append(len(questions))
        self.busy.set()
        assert self.open.wait(20)
        return self._answer(questions, k, explain=explain)


@pytest.fixture
def gate(loaded: LoadedRun, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    found = Gate(loaded)
    monkeypatch.setattr(loaded, "answer", found)
    monkeypatch.setattr("srl_serve.batcher.LONGEST", 1e6)  # it is the gate that takes long
    yield found
    found.open.set()


def wait_for(what: Any) -> None:
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def refuses(server: Any) -> bool:
    try:
        server.ask("GET", "/health")
    except ConnectionError:
        return True
    return False


def test_who_comes_meanwhile_goes_together_and_gets_what_they_get_alone(
    serve: Any, gate: Gate, loaded: LoadedRun
) -> None:
    server = serve()
    histories = [[loaded.catalogue.title_of(item) for item in (start, start + 3)] for start in range(1, 9)]
    asked = [{"history": history, "k": k, "explain": k % 2 == 0} for k, history in enumerate(histories, start=3)]
    with ThreadPoolExecutor(12) as clients:
        first = clients.submit(server.post, "/recommend")
        assert gate.busy.wait(20)
        others = [clients.submit(server.post, "/recommend", **one) for one in asked]
        wait_for(lambda: server.metric('srl_queue_depth{queue="model"}') == 8)
        gate.open.set()
        together = [other.result().json for other in others]
        assert first.result().status == 200
    assert gate.sizes == [1, 4, 4], "those who want reasons, and those who do not"
    assert server.metric('srl_batch_size_sum{queue="model"}') == 9
    assert server.metric('srl_batch_size_count{queue="model"}') == 2
    for one, found in zip(asked, together, strict=True):
        alone = server.post("/recommend", **one).json
        assert len(found["items"]) == one["k"]
        assert [item["item"] for item in found["items"]] == [item["item"] for item in alone["items"]]
        assert [item["score"] for item in found["items"]] == pytest.approx([item["score"] for item in alone["items"]])
        assert [bool(item["reason"]) for item in found["items"]] == [one["explain"]] * one["k"]


def test_an_error_is_of_the_one_who_caused_it(serve: Any, gate: Gate, loaded: LoadedRun) -> None:
    server, answer = serve(), gate._answer

    def fails(questions: Sequence[Question], k: int = 10, *, explain: bool = False) -> Any:
        if any(question.items == (5,) for question in questions):
            raise RuntimeError("five")
        return answer(questions, k, explain=explain)

    gate._answer = fails  # type: ignore[method-assign]
    with ThreadPoolExecutor(4) as clients:
        first = clients.submit(server.post, "/recommend")
        assert gate.busy.wait(20)
        bodies = [["zzzzzz zzzzz"], [loaded.catalogue.title_of(5)], [loaded.catalogue.title_of(6)]]
        others = [clients.submit(server.post, "/recommend", history=history) for history in bodies]
        wait_for(lambda: server.metric('srl_queue_depth{queue="model"}') == 3)
        gate.open.set()
        assert [one.result().status for one in (first, *others)] == [200, 404, 500, 200]
    assert others[1].result().json == {"error": "the server failed", "hint": "Its log says why"}


def test_more_than_may_wait_are_sent_away(serve: Any, gate: Gate) -> None:
    server = serve(queue=2)
    with ThreadPoolExecutor(3) as clients:
        waiting = [clients.submit(server.post, "/recommend")]
        assert gate.busy.wait(20)
        waiting += [clients.submit(server.post, "/recommend") for _ in range(2)]
        wait_for(lambda: server.metric('srl_queue_depth{queue="model"}') == 2)
        said = server.post("/recommend")
        assert (said.status, said.headers["retry-after"]) == (503, "1")
        assert said.json["error"] == "too many questions wait already"
        assert server.ask("GET", "/items?q=a").status == 200, "titles do not wait for the model"
        gate.open.set()
        assert [one.result().status for one in waiting] == [200] * 3


def test_nobody_waits_for_ever(serve: Any, gate: Gate) -> None:
    server = serve(timeout_s=0.3)
    said = server.post("/recommend")
    assert (said.status, said.json["error"]) == (503, "no answer within 0.3 seconds")
    assert said.headers["retry-after"]
    gate.open.set()


def test_what_waits_at_the_end_is_answered(serve: Any, gate: Gate) -> None:
    server = serve()
    with ThreadPoolExecutor(4) as clients:
        first = clients.submit(server.post, "/recommend")
        assert gate.busy.wait(20)
        others = [clients.submit(server.post, "/recommend") for _ in range(2)]
        wait_for(lambda: server.metric('srl_queue_depth{queue="model"}') == 2)
        end = clients.submit(server.stop)
        wait_for(lambda: refuses(server))
        gate.open.set()
        assert [one.result().status for one in (first, *others)] == [200] * 3
        end.result()


def test_who_went_away_is_not_answered(serve: Any, gate: Gate) -> None:
    server = serve()
    with ThreadPoolExecutor(2) as clients:
        first = clients.submit(server.post, "/recommend")
        assert gate.busy.wait(20)
        gone = http.client.HTTPConnection("127.0.0.1", server.port)
        gone.request("POST", "/recommend", json.dumps({}), {"Content-Type": "application/json"})
        stays = clients.submit(server.post, "/recommend")
        wait_for(lambda: server.metric('srl_queue_depth{queue="model"}') == 2)
        gone.close()
        time.sleep(0.4)  # longer than those who wait are trusted to be there
        gate.open.set()
        assert (first.result().status, stays.result().status) == (200, 200)
    assert gate.sizes == [1, 1]
    wait_for(lambda: 'srl_requests_total{route="/recommend",status="499"} 1.0' in server.metrics.text().decode())


def test_slow_questions_are_answered_few_at_a_time(
    serve: Any, loaded: LoadedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, answer, sizes = serve(), loaded.answer, []

    def slow(questions: Sequence[Question], k: int = 10, *, explain: bool = False) -> Any:
        sizes.append(len(questions))
        time.sleep(0.2 * len(questions))
        return answer(questions, k, explain=explain)

    monkeypatch.setattr(loaded, "answer", slow)
    server.post("/recommend")
    with ThreadPoolExecutor(6) as clients:
        assert {one.status for one in clients.map(lambda _: server.post("/recommend"), range(6))} == {200}
    assert max(sizes) == 2
