"""Who may ask."""

from __future__ import annotations

from typing import Any

import pytest
from srl_serve.settings import Settings

from sasrec_llm import UsageError


def test_nothing_but_health_and_the_page_is_answered_without_the_token(serve: Any) -> None:
    server = serve(token="s3cret!")
    for method, path in (("POST", "/recommend"), ("POST", "/score"), ("GET", "/items?q=a"), ("GET", "/metrics"),
                         ("GET", "/openapi.json"), ("GET", "/nowhere")):  # fmt: skip
        body = {} if method == "POST" else None
        for given in ("", "s3cret!", "Bearer s3cret", "Bearer S3CRET!", "Bearer \xe9"):
            said = server.ask(method, path, body, Authorization=given)
            assert said.status == 401, (path, given)
            assert said.headers["www-authenticate"] == "Bearer"
            assert set(said.json) == {"error", "hint"}
    assert server.ask("GET", "/health").status == 200
    assert server.ask("GET", "/").status == 200
    said = server.ask("POST", "/recommend", {"k": 2}, Authorization="Bearer s3cret!", Host="films.example")
    assert said.status == 200
    described = server.ask("GET", "/openapi.json", Authorization="Bearer s3cret!").json
    assert described["paths"]["/recommend"]["post"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in described["paths"]["/health"]["get"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "films.example"])
def test_other_machines_need_one(host: str) -> None:
    with pytest.raises(UsageError, match="can be reached from other machines, so a token is needed") as caught:
        Settings(host=host)
    assert "SRL_SERVE_TOKEN" in caught.value.hint
    Settings(host=host, token="x")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_needs_none(host: str) -> None:
    assert Settings(host=host).is_local


@pytest.mark.parametrize("token", ["", " ", "two words", "é", "a\nb"])
def test_a_token_is_one_word(token: str) -> None:
    with pytest.raises(UsageError, match="one word"):
        Settings(token=token)
