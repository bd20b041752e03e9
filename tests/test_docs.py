"""The documentation: generated pages say what the code says now, and everything that is linked is there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
import typer

from sasrec_llm.cli.app import app
from sasrec_llm.components import KINDS
from sasrec_llm.hookspecs import Events, Offers
from sasrec_llm.plugins import Plugins
from tests.conftest import ROOT

DOCS = ROOT / "docs"
TEXTS = [ROOT / "README.md", *sorted(DOCS.glob("**/*.md"))]
GENERATE = "import json; from reference.pages import PAGES; print(json.dumps({n: page() for n, page in PAGES.items()}))"


@pytest.mark.parametrize("columns", ["40", "300"])
def test_generated_pages_are_current(workspace: Path, columns: str) -> None:
    """In a process of its own, since plugins add commands to the one of the tests."""
    elsewhere = {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{DOCS}",
        "HOME": str(workspace),
        "COLUMNS": columns,
        "LC_ALL": "C",
        "PYTHONUTF8": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", GENERATE], env=os.environ | elsewhere, capture_output=True, text=True, check=True
    )
    for name, page in json.loads(done.stdout).items():
        assert (ROOT / name).read_text(encoding="utf-8") == page, f"{name} is out of date. Run: make reference"


def commands(of: typer.Typer, path: str = "srl") -> Iterator[str]:
    for command in of.registered_commands:
        name = command.name or (command.callback.__name__.replace("_", "-") if command.callback else "")
        if not command.hidden and command.callback and command.callback.__module__.startswith("sasrec_llm."):
            yield f"{path} {name}"
    for group in of.registered_groups:
        if group.typer_instance and not group.hidden:
            yield from commands(group.typer_instance, f"{path} {group.name}")


def test_every_command_and_variable_is_told() -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    found = list(commands(app))
    assert len(found) > 10
    assert [name for name in found if f"### `{name}`" not in page] == []
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "sasrec_llm").glob("**/*.py"))
    variables = sorted(set(re.findall(r"\bSRL_[A-Z]+(?:_[A-Z]+)*\b", source)))
    assert [name for name in variables if f"`{name}`" not in page] == []


def test_every_hook_is_told() -> None:
    page = (DOCS / "plugins.md").read_text(encoding="utf-8")
    hooks = [name for hooks in (Offers, Events) for name in vars(hooks) if name.startswith("srl_")]
    assert [name for name in hooks if f"`{name}" not in page] == []


def test_every_page_is_in_the_navigation() -> None:
    def pages(entries: list[dict[str, object]]) -> Iterator[str]:
        for target in chain.from_iterable(entry.values() for entry in entries):
            yield from pages(target) if isinstance(target, list) else [str(target)]

    nav = list(pages(tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]))
    assert sorted(nav) == sorted(path.relative_to(DOCS).as_posix() for path in TEXTS[1:])


def anchors(text: Path) -> set[str]:
    """What the headings of a page are called in links."""
    body = re.sub(r"^```.*?^```", "", text.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    heads = re.findall(r"^#+ (.+)$", body, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(text: Path) -> None:
    body = re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text.read_text(), flags=re.DOTALL | re.MULTILINE))
    targets = re.findall(r"\]\(([^)\s]+)\)", body) + re.findall(r'(?:src|href)="([^"]+)"', body)
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (text.parent / path).resolve() if path else text
        assert found.exists(), f"{text.name} links to {target}"
        assert not anchor or anchor in anchors(found), f"{text.name} links to {target}"


def test_papers_can_be_found(builtins: Plugins) -> None:
    for kind in KINDS:
        for component, row in builtins.offers(kind).values():
            if row.name == "builtin" and component.paper:
                for paper in component.paper.split("; "):
                    assert re.search(r"(arXiv \d{4}\.\d{5}|doi 10\.\d{4,5}/\S+)", paper), component.name
