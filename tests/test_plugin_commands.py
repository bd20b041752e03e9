"""`srl plugins list | show | install | uninstall`"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sasrec_llm.cli.plugins import install
from sasrec_llm.errors import UsageError
from sasrec_llm.plugins import plugins

NEW = {
    "name": "mine",
    "package": "srl-mine",
    "version": "0.1.0",
    "status": "ok",
    "error": "",
    "hooks": ["srl_encoders"],
}


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """What would have been run; afterwards `srl-mine` is there."""
    found: list[Sequence[str]] = []
    own = [
        {key: getattr(row, key) for key in ("name", "package", "version", "status", "error", "hooks")} | {"offers": {}}
        for row in plugins().rows
    ]

    def run(command: Sequence[str], **_: Any) -> subprocess.CompletedProcess[str]:
        found.append(command)
        listed = json.dumps([*own, NEW | {"offers": {"encoders": 1}}])
        return subprocess.CompletedProcess(command, 0, listed)

    monkeypatch.setattr(install.subprocess, "run", run)
    return found


def test_list_is_what_plugins_alone_says(srl: Any) -> None:
    assert srl("plugins").out == srl("plugins", "list").out
    assert json.loads(srl("plugins", "--json").out) == json.loads(srl("plugins", "list", "--json").out)


def test_show_by_plugin_or_package(srl: Any) -> None:
    done = srl("plugins", "show", "popularity")
    assert done.code == 0, done.err
    assert "popularity · srl-popularity 0.1.0 · ok" in done.out
    assert "smoothing  = 1.0  likes added to every item" in done.out
    (found,) = json.loads(srl("plugins", "show", "srl-popularity", "--json").out)
    assert (found["name"], found["status"], found["hooks"]) == ("popularity", "ok", ["srl_encoders"])
    assert Path(found["code"]).name == "srl_popularity.py"
    (component,) = found["components"]
    assert component["settings"]["smoothing"] == {"default": 1.0, "help": "likes added to every item"}
    assert len(json.loads(srl("plugins", "show", "builtin", "--json").out)[0]["components"]) > 80
    done = srl("plugins", "show", "popularty")
    assert done.code == 2
    assert "there is no plugin 'popularty' (did you mean 'popularity'?)" in done.err


def test_show_of_a_plugin_that_is_left_out(srl: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRL_DISABLE_PLUGINS", "popularity")
    (found,) = json.loads(srl("plugins", "show", "popularity", "--json").out)
    assert (found["status"], found["components"]) == ("disabled", [])
    assert found["code"].endswith("srl_popularity.py")
    done = srl("plugins", "check", "popularity")
    assert (done.code, "SRL_DISABLE_PLUGINS leaves it out" in done.out) == (2, True)


def test_install_says_what_it_runs_and_what_came(srl: Any, workspace: Path, called: list[Sequence[str]]) -> None:
    (workspace / "srl-mine").mkdir()
    done = srl("plugins", "install", "srl-x>=2", "-e", "srl-mine")
    assert done.code == 0, done.err
    assert called[0] == [sys.executable, "-m", "pip", "install", "srl-x>=2", "-e", "srl-mine"]
    assert "-m pip install 'srl-x>=2' -e srl-mine" in done.err
    assert done.out.split() == ["srl-mine", "0.1.0", "ok", "1", "encoder"]


def test_what_is_installed_and_broken_is_an_error(
    srl: Any, called: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NEW, "status", "failed")
    monkeypatch.setitem(NEW, "error", "ImportError: no")
    done = srl("plugins", "install", "srl-mine")
    assert done.code == 2
    assert "ImportError: no" in done.out
    assert "srl plugins uninstall srl-mine" in done.err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["install"], "install what?"),
        (["install", "-e", "nowhere"], "there is no folder nowhere"),
        (["uninstall", "nothing"], "there is no plugin 'nothing'"),
        (["uninstall", "builtin"], "sasrec-llm is srl itself"),
    ],
)
def test_what_makes_no_sense_runs_nothing(
    srl: Any, called: list[Sequence[str]], arguments: list[str], text: str
) -> None:
    done = srl("plugins", *arguments)
    assert done.code == 2
    assert text in done.err
    assert called == []


def test_uninstall_takes_plugins_and_packages(srl: Any, called: list[Sequence[str]]) -> None:
    assert srl("plugins", "uninstall", "popularity", "srl-popularity").code == 0
    assert called == [[sys.executable, "-m", "pip", "uninstall", "--yes", "srl-popularity"]]


def test_without_pip_uv_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "find_spec", lambda name: None)
    monkeypatch.setattr(install.shutil, "which", lambda name: "/bin/uv")
    assert install.installer("install", "x") == ["/bin/uv", "pip", "install", "--python", sys.executable, "x"]
    monkeypatch.setattr(install.shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match="neither pip nor uv"):
        install.installer("install", "x")


def test_a_failure_of_pip_is_one_message(srl: Any) -> None:
    """pip itself, which needs no network to say that there is no such file."""
    done = srl("plugins", "install", "./nowhere-1.0-py3-none-any.whl")
    assert done.code == 2
    assert "-m pip install ./nowhere-1.0-py3-none-any.whl" in done.err
    assert "it ended with exit code 1" in done.err
    assert "Traceback" not in done.err


def test_the_list_of_a_new_process_is_that_of_this_one(srl: Any) -> None:
    assert install.listed_afresh() == json.loads(srl("plugins", "list", "--json").out)
