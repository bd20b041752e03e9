"""`srl plugins new | check`: what is made works and passes its own tests, what is broken is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from sasrec_llm.errors import UsageError
from sasrec_llm.scaffold import OFFERED, Kind, bounds, write_package
from tests.conftest import ROOT

KINDS: tuple[Kind, ...] = get_args(Kind)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package of every kind; nothing may write into it."""
    folder = tmp_path_factory.mktemp("made")
    for kind in KINDS:
        write_package(f"my-{kind}", kind, folder)
    return folder


@pytest.fixture
def clean_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a check makes importable is gone after the test."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("srl_"):
            del sys.modules[name]


def test_each_kind_passes_its_own_tests(made: Path) -> None:
    """All in one process, since most of the time is spent on importing torch."""
    folders = sorted(str(path) for path in made.iterdir())
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *folders],
        capture_output=True,
        text=True,
        timeout=250,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *folders]), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=made,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "16 passed" in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_is_well_formed(kind: Kind, made: Path, tmp_path: Path) -> None:
    """By the lights of those who only have ruff's defaults."""
    folder = tmp_path / f"srl-my-{kind}"
    shutil.copytree(made / folder.name, folder)
    for command in (["check", "--select", "E,F,I,B,UP,RUF", "--ignore", "RUF001,RUF002"], ["format", "--check"]):
        words = [sys.executable, "-m", "ruff", *command, "--no-cache", "--isolated", "--line-length", "120", "."]
        done = subprocess.run(words, capture_output=True, text=True, cwd=folder, timeout=60, check=False)
        assert done.returncode == 0, done.stdout
    for path in (made / folder.name).rglob("*.*"):
        assert not path.is_file() or "$" not in path.read_text(), "a place that nothing was put into"


@pytest.mark.parametrize("kind", ["encoder", "metric", "events", "source"])
def test_check_finds_a_package_by_its_folder(srl: Any, made: Path, kind: Kind, clean_path: None) -> None:
    done = srl("plugins", "check", made / f"srl-my-{kind}", "--json")
    assert done.code == 0, done.err
    first, *rest = json.loads(done.out)
    assert (first["kind"], first["name"], first["status"]) == ("plugin", f"my-{kind}", "ok")
    status = "unchecked" if kind == "source" else "ok"
    assert [(one["kind"], one["status"]) for one in rest] == ([(kind, status)] if kind in OFFERED else [])
    assert srl("plugins", "check", "srl-popularity").out.count(" ok\n") == 2


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("model.py", "return scores + self.bias[candidates]", "return scores.mean() + self.bias[candidates]",
         "encoder   my-encoder               failed: history [] depends on its neighbours"),
        ("model.py", "weight = torch.exp(", "weight = torch.expo(", "failed: AttributeError: module 'torch' has no"),
        ("model.py", "def build(", "def built(", "failed: cannot import 'srl_my_encoder.model:build'"),
        ("__init__.py", "def srl_encoders", "def srl_encodes", "PluginValidationError: unknown hook 'srl_encodes'"),
        ("__init__.py", "import annotations", "import annotation", "failed: SyntaxError: future feature annotation"),
        ("__init__.py", 'name="my-encoder"', 'name="sasrec"', "two plugins offer encoders 'sasrec'"),
        ("../pyproject.toml", "sasrec-llm>=", "sasrec-llm>7,>=", "failed: it wants sasrec-llm "),
    ],
)  # fmt: skip
def test_check_says_what_is_broken(
    srl: Any, made: Path, tmp_path: Path, clean_path: None, file: str, old: str, new: str, said: str
) -> None:
    folder = tmp_path / "srl-my-encoder"
    shutil.copytree(made / folder.name, folder)
    path = folder / "srl_my_encoder" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    done = srl("plugins", "check", folder)
    assert done.code == 2
    assert said in done.out, done.out
    assert "do not hold" in done.err
    assert "Traceback" not in done.out + done.err
    assert "failed" in [one["status"] for one in json.loads(srl("plugins", "check", folder, "--json").out)]


LAB = """
from pathlib import Path
from sasrec_llm import Component, Settings, hookimpl


class Needy(Settings):
    model: str


@hookimpl
def srl_backbones():
    yield Component(name="needy", summary="s", settings=Needy, build="json:loads", offers=frozenset({"texts"}))


@hookimpl
def srl_recipes():
    yield Path(__file__).parent / "recipes"
"""


def test_check_reads_recipes_and_says_what_it_cannot_try(srl: Any, workspace: Path, clean_path: None) -> None:
    """A module that is only somewhere on the path."""
    (workspace / "srl_lab.py").write_text(LAB)
    (workspace / "recipes" / "data").mkdir(parents=True)
    (workspace / "recipes" / "data" / "shop.toml").write_text("not a recipe")
    for name, encoder in (("good", "sasrec"), ("bad", "sasrek")):
        text = f'name = "x"\n[data]\nuse = "demo"\n[encoder]\nuse = "{encoder}"\n[strategy]\nuse = "encoder-only"\n'
        (workspace / "recipes" / f"{name}.toml").write_text(text)
    sys.path.insert(0, str(workspace))
    done = srl("plugins", "check", "srl_lab", "--json")
    assert done.code == 2
    found = {one["name"]: (one["kind"], one["status"], one["error"]) for one in json.loads(done.out)}
    assert found["srl_lab"] == ("plugin", "ok", "")
    assert found["needy"] == ("backbone", "unchecked", 'it takes settings: check_component(component, {"model": ...})')
    assert found["good.toml"] == ("recipe", "ok", "")
    assert found["bad.toml"][:2] == ("recipe", "failed")
    assert "did you mean 'sasrec'?" in found["bad.toml"][2]
    assert len(found) == 4


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["check", "srl-popularty"], ["no plugin, package, module or folder", "did you mean 'srl-popularity'?"]),
        (["check", "."], ["there is no ", "pyproject.toml", "srl plugins new"]),
        (["check", "bare"], ["names no plugin", "[project.entry-points.srl]"]),
        (["check", "broken"], ["broken/pyproject.toml is not that of a package"]),
        (["new", "Encoder", "--kind", "encoder"], ["'Encoder' cannot be a name", "srl plugins new my-encoder"]),
        (["new", "../x", "--kind", "metric"], ["'../x' cannot be a name"]),
        (["new", "taken", "--kind", "metric"], ["srl-taken exists already", "--to DIR"]),
        (["new", "sasrec", "--kind", "encoder"], ["another encoder is called 'sasrec'"]),
        (["new", "run", "--kind", "command"], ["another command is called 'run'"]),
        (["new", "x", "--kind", "thing"], ["'--kind'", "'encoder'"]),
    ],
)  # fmt: skip
def test_a_mistake_is_one_clear_message(srl: Any, workspace: Path, arguments: list[str], texts: list[str]) -> None:
    for name, text in (("bare", '[project]\nname = "x"\n'), ("broken", "[project]\nentry-points = 3\n")):
        (workspace / name).mkdir()
        (workspace / name / "pyproject.toml").write_text(text)
    (workspace / "srl-taken").mkdir()
    done = srl("plugins", *arguments)
    assert done.code == 2
    for text in texts:
        assert text in done.err
    assert "Traceback" not in done.err
    assert not list((workspace / "srl-taken").iterdir())


def test_new_says_where_and_what_next(srl: Any, workspace: Path) -> None:
    done = srl("plugins", "new", "srl-mine", "--kind", "metric", "--to", "deep/er")
    assert done.code == 0, done.err
    assert done.out == "deep/er/srl-mine\n"
    assert "srl plugins check deep/er/srl-mine" in done.err
    assert (workspace / "deep/er/srl-mine/srl_mine/measure.py").is_file()


def test_the_versions_a_new_plugin_works_with_are_those_of_ours() -> None:
    assert [bounds(version) for version in ("0.1.0", "0.9.3.dev1", "2.4")] == [">=0.1,<0.2", ">=0.9,<0.10", ">=2.4,<3"]
    with pytest.raises(UsageError, match="cannot be a name"):
        write_package("a\nb", "metric", Path())
