"""Pages that are run: their blocks of Python share one namespace, their blocks of `srl` commands one folder, and what a
block prints stands behind it. `python -m reference.notebook` runs them and writes what they print now."""

from __future__ import annotations

import contextlib
import io
import math
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

BLOCK = re.compile(
    r"^```(?P<language>python|sh|toml)\n(?P<code>.*?)^```\n"
    r"(?:\n(?P<varies><!-- varies -->\n)?```text\n(?P<output>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)
NUMBER = re.compile(r"[-+]?\d*\.\d+")
NEAR = 0.05  # another processor may train to other figures


@dataclass(frozen=True, slots=True)
class Cell:
    language: str
    code: str
    output: str | None  # None: what it prints is not shown
    varies: bool  # what it prints is not the same on every machine
    place: tuple[int, int]  # of the output in the page


def cells(page: str) -> list[Cell]:
    return [
        Cell(found["language"], found["code"], found["output"], bool(found["varies"]), found.span("output"))
        for found in BLOCK.finditer(page)
    ]


def execute(page: str) -> Iterator[tuple[Cell, str]]:
    """Each block with what it printed, in the working folder. A file's first line is a comment with its name."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells(page):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if cell.language == "python":
                exec(compile(cell.code, "page", "exec"), namespace)
            elif cell.language == "toml":
                Path(cell.code.splitlines()[0].removeprefix("# ")).write_text(cell.code, encoding="utf-8")
            else:
                for line in cell.code.replace("\\\n", " ").splitlines():
                    command(shlex.split(line))
        yield cell, "".join(f"{line.rstrip()}\n" for line in printed.getvalue().strip("\n").splitlines())


def command(words: list[str]) -> None:
    """One `srl` command in this process; one that fails is an error."""
    from sasrec_llm.cli.app import main

    with patch.object(sys, "argv", words):
        try:
            main()
        except SystemExit as error:
            if error.code:
                raise RuntimeError(f"{shlex.join(words)} ended with {error.code}") from error


def alike(shown: str, printed: str) -> bool:
    """The same words, and numbers that are near."""
    if NUMBER.sub("#", shown).split() != NUMBER.sub("#", printed).split():
        return False
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=NEAR, abs_tol=NEAR) for a, b in pairs)


def refreshed(page: str) -> str:
    """The page with what its blocks print now."""
    parts, end = [], 0
    for cell, printed in execute(page):
        if cell.output is not None:
            parts += [page[end : cell.place[0]], printed]
            end = cell.place[1]
    return "".join([*parts, page[end:]])


def main() -> None:
    """Run the pages and write what they print."""
    from reference.shop import write_shop

    docs = Path(__file__).parents[2] / "docs"
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            Path("recipes").symlink_to(docs.parent / "recipes")
            write_shop(Path())
            page = docs / name
            page.write_text(refreshed(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
