"""What each route answers, and what it refuses."""

from __future__ import annotations

import contextlib
import http.client
import socket
from typing import Any

import pytest
from srl_serve.models import AnswerResponse, ItemsResponse, Problem
from srl_serve.settings import BODY_BYTES, MOST_ITEMS, MOST_TITLES

from sasrec_llm import LoadedRun


def test_recommendations_are_those_of_the_run(server: Any, loaded: LoadedRun) -> None:
    names = loaded.catalogue
    said = server.post("/recommend", history=[names.title_of(3), names.id_of(7)], k=5, explain=True)
    assert said.status == 200, said.text
    answer = AnswerResponse.model_validate(said.json, extra="forbid")
    wanted = loaded.recommend(history=[names.title_of(3), names.id_of(7)], k=5, explain=True)
    assert [(one.item, one.title) for one in answer.items] == [(one.item, one.title) for one in wanted]
    assert [one.score for one in answer.items] == pytest.approx([one.score for one in wanted], abs=1e-5)
    assert [one.probability for one in answer.items] == pytest.approx([one.probability for one in wanted], abs=1e-5)
    assert all(one.reason and one.reason.near for one in answer.items)
    assert (answer.run, answer.user_known, answer.notes) == (loaded.name, None, [])
    assert [(one.asked, one.item) for one in answer.history] == [
        (names.title_of(3), names.id_of(3)),
        (names.id_of(7), names.id_of(7)),
    ]
    assert server.post("/recommend").json["items"][0]["reason"] is None


def test_users_of_the_data_and_others(server: Any, loaded: LoadedRun) -> None:
    user = loaded._users[2]
    known = server.post("/recommend", user=user, k=3).json
    assert known["user_known"] is True
    assert [one["item"] for one in known["items"]] == [one.item for one in loaded.recommend(user=user, k=3)]
    number = server.post("/recommend", user=987654321).json
    assert number["user_known"] is False
    assert number["notes"] == ["987654321 is not in the data: answered as for somebody new"]
    assert len(number["items"]) == 10


def test_an_export_without_rows_says_what_it_does_not_know(
    server: Any, loaded: LoadedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(loaded), "has_histories", property(lambda _: False))
    user = loaded._users[2]
    assert server.post("/recommend", user=user).json["notes"] == [
        f"an export without rows does not know what {user} liked"
    ]


def test_scores_are_those_of_the_run(server: Any, loaded: LoadedRun) -> None:
    names = loaded.catalogue
    said = server.post("/score", history=[names.title_of(1)], items=[names.id_of(9), names.title_of(4)])
    answer = AnswerResponse.model_validate(said.json, extra="forbid")
    ((first, second),) = loaded.score([loaded.question(history=[names.title_of(1)])], [[9, 4]])
    assert [one.item for one in answer.items] == [names.id_of(9), names.id_of(4)]
    assert [one.score for one in answer.items] == pytest.approx([first, second], abs=1e-5)
    assert answer.items[0].probability == pytest.approx(loaded.probability(first), abs=1e-5)


def test_titles_are_found(server: Any, loaded: LoadedRun) -> None:
    word = loaded.catalogue.title_of(5)[:4]
    said = server.ask("GET", f"/items?q={word.replace(' ', '%20')}&count=3")
    answer = ItemsResponse.model_validate(said.json, extra="forbid")
    assert [one.item for one in answer.items] == [
        loaded.catalogue.id_of(item) for item in loaded.catalogue.search(word, 3)
    ]


def test_health_metrics_and_description(server: Any, loaded: LoadedRun) -> None:
    assert server.ask("GET", "/health").json == {"status": "ok"}
    server.post("/recommend")
    server.post("/recommend", k=0)
    text = server.ask("GET", "/metrics").text
    for line in (
        'srl_requests_total{route="/recommend",status="200"}',
        'srl_requests_total{route="/recommend",status="422"}',
        'srl_request_seconds_bucket{le="0.1",route="/recommend"}',
        'srl_batch_size_count{queue="model"}',
        'srl_queue_depth{queue="model"} 0.0',
        f'srl_model_info{{items="{len(loaded.catalogue)}",run="{loaded.name}",task="like"}} 1.0',
        "process_resident_memory_bytes",
    ):
        assert line in text, line
    described = server.ask("GET", "/openapi.json").json
    assert set(described["paths"]) == {"/recommend", "/score", "/items", "/metrics", "/health"}
    for path in ("/recommend", "/score"):
        answers = described["paths"][path]["post"]["responses"]
        assert set(answers) == {"200", "400", "401", "404", "413", "422", "503"}
        for status in set(answers) - {"200"}:
            assert answers[status]["content"]["application/json"]["schema"]["$ref"].endswith("/Problem")
    fields = described["components"]["schemas"]["RecommendRequest"]["properties"]
    assert fields["history"]["examples"]
    assert fields["k"]["maximum"] == MOST_ITEMS


BAD: list[tuple[int, str, Any, str]] = [
    (400, "/recommend", b"{", "the body is not a JSON object"),
    (400, "/recommend", b"", "the body is not a JSON object"),
    (400, "/recommend", b"\xff\xfe", "the body is not a JSON object"),
    (400, "/recommend", b"[" * 60_000, "There was an error parsing the body"),
    (400, "/recommend", [], "the body is not a JSON object"),
    (422, "/recommend", {"histroy": ["x"]}, "histroy: Extra inputs are not permitted"),
    (422, "/recommend", {"k": 0}, "k: Input should be greater than or equal to 1"),
    (422, "/recommend", {"k": MOST_ITEMS + 1, "explain": "no idea"}, "(2 problems in all)"),
    (422, "/recommend", {"history": ["\ud800"]}, "history.0"),
    (422, "/recommend", {"history": ["x"] * (MOST_TITLES + 1)}, "history: List should have at most 200 items"),
    (422, "/recommend", {"history": [""]}, "history.0"),
    (422, "/score", {"items": []}, "items: List should have at least 1 item"),
    (404, "/recommend", {"history": ["no such title at all zzzz"]}, "no item is called 'no such title at all zzzz'"),
    (404, "/score", {"items": ["no such title at all zzzz"]}, "no item is called"),
    (404, "/nowhere", {}, "Not Found"),
    (405, "/items", {}, "Method Not Allowed"),
    (413, "/recommend", b" " * (BODY_BYTES + 1), f"the body has more than {BODY_BYTES:,} bytes"),
]


@pytest.mark.parametrize(("status", "path", "body", "error"), BAD)
def test_what_is_wrong_is_said(server: Any, status: int, path: str, body: Any, error: str) -> None:
    said = server.ask("POST", path, body)
    assert said.status == status, said.text
    assert error in Problem.model_validate(said.json, extra="forbid").error
    assert server.ask("GET", "/health").status == 200


def test_near_titles_are_suggested(server: Any, loaded: LoadedRun) -> None:
    title = loaded.catalogue.title_of(5)
    said = server.post("/recommend", history=[title[:-3] + "zz"])
    assert said.status == 404
    assert f"did you mean: {title}" in said.json["error"]


def test_a_body_without_a_length_is_cut_off_as_well(server: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    parts = (b" " * 4096 for _ in range(2 * BODY_BYTES // 4096))
    connection.request("POST", "/recommend", parts, {"Content-Type": "application/json"}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


HOST = b"Host: localhost\r\n"
CHUNKED = b"POST /recommend HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"GET /health HTTP/1.1\r\n" + HOST + b"X: ", b"a" * 4096),
        (b"GET /health HTTP/1.1\r\n" + HOST, b"X: a\r\n" * 1000),
        (b"GET /items?q=", b"a" * 4096),
        (CHUNKED + b"0\r\n", b"X: a\r\n" * 1000),
        (b"no HTTP\r\n\r\n", b""),
        (b"POST /recommend HTTP/1.1\r\n" + HOST + b"Content-Length: -5\r\n\r\n", b""),
        (b"POST /recommend HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", b""),
    ],
    ids=["a header", "headers", "a path", "trailers", "noise", "a length below 0", "two lengths"],
)
def test_heads_without_end_and_noise_are_cut_off(server: Any, start: bytes, more: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(start)
        with contextlib.suppress(ConnectionError):  # it has heard enough
            for _ in range(1000):
                connection.sendall(more)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    assert server.ask("GET", "/health").status == 200


def test_pages_of_elsewhere_are_refused(server: Any) -> None:
    for host in ("evil.example", "evil.example:8000", "[", ""):
        said = server.ask("GET", "/items?q=a", Host=host)
        assert said.status == 400
        assert said.json["error"] == "this server answers to localhost alone"
    assert server.ask("GET", "/items?q=a", Host="[::1]:8000").status == 200


def test_the_page_may_load_nothing_of_elsewhere(server: Any) -> None:
    for path, kind in (("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript")):
        said = server.ask("GET", path)
        assert said.status == 200
        assert said.headers["content-type"].startswith(kind)
        policy = said.headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'" in policy
        assert "unsafe" not in policy
        assert said.headers["x-content-type-options"] == "nosniff"
