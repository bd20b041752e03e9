"""Results to stdout, prose to stderr."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

if TYPE_CHECKING:
    from sasrec_llm.comparison import Comparison
    from sasrec_llm.evaluation.results import Table

prose = Console(stderr=True, highlight=False, soft_wrap=True)
result = Console(highlight=False, soft_wrap=True)


def mute() -> None:
    """Of several processes that do the same, one speaks."""
    prose.quiet = result.quiet = True


def print_json(value: Any) -> None:
    if not result.quiet:
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def say(text: str) -> None:
    """A line of prose; square brackets in it are just text."""
    prose.print(Text(text))


def printable(text: str) -> str:
    """What came from elsewhere, without what would move the cursor or change colours."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def print_rows(rows: list[list[str]], header: list[str] | None = None, right: bool = False, grey: bool = False) -> None:
    """Columns without lines, readable in a pipe too."""
    table = RichTable(
        box=None, show_header=header is not None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold"
    )
    width = len(header or (rows[0] if rows else []))
    for index in range(width):
        last = index == width - 1
        table.add_column(
            header[index] if header else "",
            justify="right" if right and index else "left",
            no_wrap=not last,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row), style="dim" if grey else None)
    if result.is_terminal:
        result.print(table)
    else:
        Console(file=sys.stdout, width=4096, highlight=False, quiet=result.quiet).print(table)


def print_table(table: Table, split: str) -> None:
    """One subset's main figures with their intervals; grey where it is too small to compare systems."""
    from sasrec_llm.report.tables import heading, headline

    print_text(heading(table, split))
    header, rows = headline(table)
    print_rows(rows, header, right=True, grey=table.small)


def print_comparison(comparison: Comparison) -> None:
    """Each subset's figures, then what separates each system from the reference."""
    from sasrec_llm.report.tables import gains

    for table in comparison.tables:
        print_text("")
        print_table(table, "test")
        if table.differences:
            print_text(f"less {comparison.reference}, p by the paired bootstrap over users")
            header, rows = gains(table)
            print_rows(rows, header, right=True, grey=table.small)


def print_text(text: str) -> None:
    result.print(Text(text))
