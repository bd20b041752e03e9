"""docs/recipe-list.md: every recipe that is shipped, in the words it opens with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby, takewhile
from pathlib import Path

from reference.markdown import GENERATED, code, prose

INTRODUCTION = """
Paths are within `recipes/`. Each recipe opens with what it is, what it reproduces, what it needs and what to expect.
What their keys mean, and how to write one: [recipes](recipes.md).
"""
SAID = re.compile(r"([A-Z][\w -]{0,24}): +")
COMMAND = re.compile(r"(srl|--set) ((?! is )[^,;()])*")
TITLES = {
    ".": "Likes and dislikes",
    "next_item": "What comes next",
    "suites": "Suites: many recipes, one comparison",
    "data": "Datasets that come as files of their own",
}


def page(folder: Path) -> str:
    found = sorted(folder.glob("**/*.toml"), key=lambda path: (_order(_group(path, folder)), path.name))
    told = [f"{GENERATED}# Recipes that are shipped", INTRODUCTION.strip()]
    for group, paths in groupby(found, key=lambda path: _group(path, folder)):
        told.append(f"## {TITLES.get(group, group)}")
        for path in paths:
            told += section(path.relative_to(folder), path.read_text(encoding="utf-8"))
    return "\n\n".join(told) + "\n"


def _group(path: Path, folder: Path) -> str:
    return path.parent.relative_to(folder).as_posix()


def _order(group: str) -> tuple[int, str]:
    return ([*TITLES].index(group) if group in TITLES else len(TITLES)), group


def section(path: Path, text: str) -> Iterator[str]:
    """Its path, the sentences it opens with, and what it says line by line, such as `Run: srl run ...`."""
    yield f"### {code(path.as_posix())}"
    opening, *said = [*parts(takewhile(lambda line: line.startswith("#"), text.splitlines()))] or ["It says nothing."]
    yield prose(opening)
    for listed, group in groupby(said, key=lambda part: bool(SAID.match(part) or COMMAND.fullmatch(part))):
        some = list(group)
        yield "\n".join(f"- {item(part)}" for part in some) if listed else "\n\n".join(map(prose, some))


def parts(comment: Iterable[str]) -> Iterator[str]:
    """Sentences up to an empty line; a word, a colon and what is said of it; a command that stands by itself."""
    part = ""
    for line in comment:
        said = line.removeprefix("#").strip()
        alone = line.startswith("#   srl ")
        if part and (alone or not said or SAID.match(said) or COMMAND.fullmatch(part)):
            yield part
            part = ""
        part = f"{part} {said}".strip()
    if part:
        yield part


def item(part: str) -> str:
    """A command, or a word and what is said of it."""
    found = SAID.match(part)
    key, value = (f"{found[1]}: ", part[found.end() :]) if found else ("", part)
    return key + (code(value) if COMMAND.fullmatch(value) else prose(value))
