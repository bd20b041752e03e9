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
from sasrec_llm.installed import our_version
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Choice
from sasrec_llm.strategies.assemble import make

GOOD = """
from sasrec_llm import Component, Settings, hookimpl
@hookimpl
def srl_encoders():
    yield Component(name="{name}", summary="an encoder", settings=Settings, build="x:y")
"""
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    monkeypatch.syspath_prepend(str(tmp_path))
    made: list[str] = []

    def make(name: str, code: str, *wants: str, plugin: str = "") -> None:
        (tmp_path / f"{name}.py").write_text(code)
        info = tmp_path / f"srl_{name}-1.2.dist-info"
        info.mkdir()
        requires = "".join(f"Requires-Dist: {line}\n" for line in wants)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: srl-{name}\nVersion: 1.2\n{requires}")
        (info / "entry_points.txt").write_text(f"[srl]\n{plugin or name} = {name}\n")
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


@pytest.mark.parametrize(
    ("wants", "bounds"),
    [("sasrec-llm<0.1", "<0.1"), ("Sasrec_LLM[testing] ~=7.0", "~=7.0"), ("sasrec.llm (==0)", "==0")],
)
def test_a_plugin_for_other_versions_is_left_out_unread(install: Install, wants: str, bounds: str) -> None:
    install("late", "raise RuntimeError('is read')", "numpy>=1", wants)
    found = load()
    assert status(found, "late") == ("incompatible", f"it wants sasrec-llm {bounds}, this is {our_version()}")
    assert "sasrec" in found.offers("encoders")
    with pytest.raises(ComponentError, match=r"late \(srl-late 1.2\): it wants sasrec-llm"):
        found.get("encoders", "mine")


@pytest.mark.parametrize(
    "wants", ["sasrec-llm", "sasrec-llm>=0.1,<9", "sasrec-llm<0.1; extra == 'old'", "sasrec-llm-x<0.1", "x>9"]
)
def test_a_plugin_that_this_version_suits_is_loaded(install: Install, wants: str) -> None:
    install("good", GOOD.format(name="mine"), wants)
    assert "mine" in load().offers("encoders")


def test_a_requirement_that_cannot_be_read_fails_its_plugin_only(install: Install) -> None:
    install("good", GOOD.format(name="mine"), "sasrec-llm >> 1")
    found = load()
    assert status(found, "good")[0] == "failed"
    assert "sasrec" in found.offers("encoders")


def test_strict_makes_an_incompatible_plugin_an_error(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("late", "", "sasrec-llm<0.1")
    monkeypatch.setenv("SRL_STRICT_PLUGINS", "1")
    with pytest.raises(ComponentError, match=r"plugin late \(srl-late 1.2\) is incompatible: it wants"):
        load()


@pytest.mark.parametrize("first", ["", "import nonexistent_thing"])
def test_two_plugins_of_one_name_do_not_undo_each_other(install: Install, first: str) -> None:
    install("a", first or GOOD.format(name="one"), plugin="same")
    install("b", GOOD.format(name="two"), plugin="same")
    install("c", GOOD.format(name="three"), plugin="builtin")
    found = load()
    offered = found.offers("encoders")
    assert "sasrec" in offered
    assert "three" not in offered
    name, owner = ("two", "srl-b 1.2") if first else ("one", "srl-a 1.2")
    assert offered[name][1].owner == owner
    assert sorted(row.status for row in found.rows if row.name == "same") == ["failed", "ok"]


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
