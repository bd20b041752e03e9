"""Results as text: one table for each subset, systems down, metrics across."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # and NumPy, which not all need who write figures
    from sasrec_llm.evaluation.bootstrap import Difference, Figure
    from sasrec_llm.evaluation.results import Table

NAMES = {
    "auc": "AUC",
    "uauc": "UAUC",
    "logloss": "LogLoss",
    "brier": "Brier",
    "ece": "ECE",
    "f1": "F1",
    "hr": "HR",
    "ndcg": "NDCG",
    "mrr": "MRR",
}
HEADLINE = ("auc", "uauc", "logloss", "logloss (platt)", "hr@10", "ndcg@10", "hr@20", "ndcg@20")


def number(value: float | None, digits: int = 4) -> str:
    """.7365, the way the field writes it."""
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def interval(found: Figure) -> str:
    """.7365 ±.001 [.714, .757]: mean and spread over seeds, interval over users"""
    shown = number(found.value) + ("" if found.sd is None else f" ±{number(found.sd, 3)}")
    return shown if found.low is None else f"{shown} [{number(found.low, 3)}, {number(found.high, 3)}]"


def heading(table: Table, split: str) -> str:
    users = "user" if table.users == 1 else "users"
    text = f"{split}, {table.subset}: {table.rows:,} rows, {table.users:,} {users}"
    if "uauc_users" in table.counts:
        text += f", {table.counts['uauc_users']:,} of them in UAUC"
    if table.counts.get("repeats"):
        text += f"; {table.counts['repeats']:,} targets were in the history and count as misses"
    return text + (" (too few to compare systems)" if table.small else "")


def cells(table: Table) -> tuple[list[str], list[list[str]]]:
    """Column names, and a row of text for each system."""
    metrics = list(next(iter(table.systems.values()), {}))
    rows = [[system, *(number(found[metric].value) for metric in metrics)] for system, found in table.systems.items()]
    return ["", *(title(metric) for metric in metrics)], rows


def headline(table: Table) -> tuple[list[str], list[list[str]]]:
    """The same for the figures that are looked at first, each with its 95 % interval."""
    metrics = list(next(iter(table.systems.values()), {}))
    metrics = [metric for metric in metrics if metric in HEADLINE] or metrics[:4]
    rows = [[system, *(interval(found[metric]) for metric in metrics)] for system, found in table.systems.items()]
    return ["", *(title(metric) for metric in metrics)], rows


def title(metric: str) -> str:
    """NDCG@10 of ndcg@10, LogLoss (platt) of logloss (platt)."""
    name = re.split("[@ ]", metric)[0]
    return NAMES.get(name, name) + metric[len(name) :]


def plain(table: Table, split: str) -> str:
    """Every figure, then those with intervals."""
    return "\n".join([heading(table, split), *_lines(*headline(table)), "", *_lines(*cells(table))])


def compared(table: Table, reference: str) -> str:
    """The main figures, then what separates each system from the reference."""
    parts = [heading(table, "test"), *_lines(*headline(table))]
    if table.differences:
        parts += ["", f"less {reference}", *_lines(*gains(table))]
    return "\n".join(parts)


def gains(table: Table) -> tuple[list[str], list[list[str]]]:
    """Each system's difference from the reference with its interval; p by the paired bootstrap over users."""
    metrics = list(next(iter(table.differences.values()), {}))
    metrics = [metric for metric in metrics if metric in HEADLINE] or metrics[:4]
    rows = [[system, *(gain(found[metric]) for metric in metrics)] for system, found in table.differences.items()]
    return ["", *(title(metric) for metric in metrics)], rows


def gain(found: Difference) -> str:
    """+.027 [.012, .044] p .002"""
    if found.value is None or found.low is None or found.p is None:
        return number(found.value, 3)
    sign = "+" if found.value >= 0 else ""
    interval = f"[{number(found.low, 3)}, {number(found.high, 3)}]"
    return f"{sign}{number(found.value, 3)} {interval} p {number(found.p, 3)}"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    ruler = ["---", *("---:" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, ruler, *rows])


def _lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    return [_line(row, widths) for row in [header, *rows]]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *figures = row
    return "  ".join(
        ["  " + name.ljust(widths[0]), *(text.rjust(w) for text, w in zip(figures, widths[1:], strict=True))]
    )
