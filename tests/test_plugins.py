"""Plugins by fake distributions: a folder with METADATA and entry_points.txt on sys.path is one, without pip."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sasrec_llm.components import Component
from sasrec_llm.encoders.settings import ConstantSettings
from sasrec_llm.errors import ComponentError
from sasrec_llm.hookspecs import hookimpl
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Choice
from sasrec_llm.strategies.assemble import make

GOOD = """
from sasrec_llm import Component, Settings, hookimpl
@hookimpl
def srl_encoders():
    yield Component(name="{name}", summary="an encoder", settings=Settings, build="x:y")
"""
Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    monkeypatch.syspath_prepend(str(tmp_path))
    made: list[str] = []

    def make(name: str, code: str) -> None:
        (tmp_path / f"{name}.py").write_text(code)
        info = tmp_path / f"srl_{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: srl-{name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[srl]\n{name} = {name}\n")
        made.append(name)

    yield make
    for name in made:
        sys.modules.pop(name, None)


def load() -> Plugins:
    found = Plugins()
    found.load()
    return found


def status(found: Plugins, name: str) -> tuple[str, str]:
    row = next(row for row in found.rows if row.name == name)
    return row.status, row.error


def test_a_good_plugin_is_offered_like_a_built_in(install: Install) -> None:
    install("good", GOOD.format(name="mine"))
    found = load()
    component, row = found.offers("encoders")["mine"]
    assert component.summary == "an encoder"
    assert (row.owner, row.status, row.hooks) == ("srl-good 1.2", "ok", ["srl_encoders"])
    assert {"sasrec", "constant"} <= set(found.offers("encoders"))


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import nonexistent_thing", "ModuleNotFoundError: No module named 'nonexistent_thing'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def (", "SyntaxError"),
        (
            "from sasrec_llm import hookimpl\n@hookimpl\ndef srl_quantisers(): return []",
            "unknown hook 'srl_quantisers'",
        ),
        ("from sasrec_llm import hookimpl\n@hookimpl\ndef srl_encoders(colour): return []", "colour"),
    ],
)
def test_a_broken_plugin_is_a_row_with_its_error_and_the_rest_works(install: Install, code: str, error: str) -> None:
    install("broken", code)
    install("good", GOOD.format(name="mine"))
    found = load()
    assert status(found, "broken")[0] == "failed"
    assert error in status(found, "broken")[1]
    assert "mine" in found.offers("encoders")


@pytest.mark.parametrize("body", ["raise RuntimeError('no')", "raise SystemExit", "return [1]", "return None"])
def test_a_hook_that_fails_fails_its_plugin_only(install: Install, body: str) -> None:
    install("broken", f"from sasrec_llm import hookimpl\n@hookimpl\ndef srl_encoders():\n    {body}")
    found = load()
    assert "sasrec" in found.offers("encoders")
    assert status(found, "broken")[0] == "failed"


def test_strict_makes_a_broken_plugin_an_error(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("broken", "import nonexistent_thing")
    monkeypatch.setenv("SRL_STRICT_PLUGINS", "1")
    with pytest.raises(ComponentError, match=r"plugin broken \(srl-broken 1.2\) failed"):
        load()


def test_a_name_that_is_taken_stays_with_its_owner_and_both_are_named(install: Install) -> None:
    install("good", GOOD.format(name="sasrec"))
    found = load()
    component, row = found.offers("encoders")["sasrec"]
    assert row.owner.startswith("sasrec-llm ")
    assert component.summary != "an encoder"
    state, error = status(found, "good")
    assert state == "failed"
    assert "'sasrec': srl-good 1.2 and sasrec-llm" in error


def test_plugins_can_be_left_out(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("good", GOOD.format(name="mine"))
    for value in ("good", "srl-good", "*"):
        monkeypatch.setenv("SRL_DISABLE_PLUGINS", value)
        found = load()
        assert status(found, "good")[0] == "disabled"
        assert "mine" not in found.offers("encoders")
        assert "sasrec" in found.offers("encoders")


def test_an_unknown_name_suggests_and_points_at_failed_plugins(install: Install) -> None:
    install("broken", "import nonexistent_thing")
    with pytest.raises(
        ComponentError, match=r"unknown encoder 'sasrek' \(did you mean 'sasrec'\?\).*srl-broken 1.2"
    ) as caught:
        load().get("encoders", "sasrek")
    assert caught.value.hint == "List them: srl components encoders"


@pytest.mark.parametrize(("body", "text"), [("1 / 0", "ZeroDivisionError"), ("pass", "builds nothing")])
def test_a_part_that_cannot_be_built_is_laid_at_its_owners_door(install: Install, body: str, text: str) -> None:
    code = GOOD.format(name="mine").replace("x:y", "good:build")
    install("good", f"{code}\ndef build(settings, context):\n    {body}\n")
    with pytest.raises(ComponentError, match=rf"encoder: 'mine' of srl-good 1.2 .*{text}"):
        make("encoder", Choice("mine", ConstantSettings()), None, load())  # type: ignore[arg-type]


class Watcher:
    def __init__(self, fails: type[BaseException] | None) -> None:
        self.fails = fails
        self.told = 0

    @hookimpl
    def srl_logged(self, step: int) -> None:  # fewer arguments than the hook has
        self.told += 1
        if self.fails:
            raise self.fails("tracker is down")


@pytest.mark.parametrize("fails", [RuntimeError, SystemExit])
def test_a_watcher_that_fails_is_switched_off_and_the_others_go_on(fails: type[BaseException]) -> None:
    found, good, bad = Plugins(), Watcher(None), Watcher(fails)
    found.add(good, "good")
    found.add(bad, "bad")
    for step in range(3):
        found.event("srl_logged", stage=None, step=step, values={})
    assert (good.told, bad.told) == (3, 1)


@pytest.mark.parametrize("name", ["", "Sasrec", "a b", "-a", "a--b"])
def test_component_names_are_plain(name: str) -> None:
    with pytest.raises(ComponentError, match="name"):
        Component(name=name, summary="s", settings=ConstantSettings, build="x:y")


def test_the_public_names_are_all_there() -> None:
    import sasrec_llm

    assert sorted(sasrec_llm.__all__) == sasrec_llm.__all__
    assert all(hasattr(sasrec_llm, name) for name in sasrec_llm.__all__)
