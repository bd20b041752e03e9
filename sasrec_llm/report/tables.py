"""Results as text: one table for each subset, systems down, metrics across."""

from __future__ import annotations

from collections.abc import Sequence

from sasrec_llm.evaluate.results import Table

NAMES = {"auc": "AUC", "uauc": "UAUC", "logloss": "LogLoss", "f1": "F1", "hr": "HR", "ndcg": "NDCG", "mrr": "MRR"}


def figure(value: float | None) -> str:
    """.7365, the way the field writes it."""
    if value is None:
        return "–"
    text = f"{value:.4f}"
    return text[1:] if text.startswith("0.") else text


def heading(table: Table, split: str) -> str:
    users = "user" if table.users == 1 else "users"
    text = f"{split}, {table.subset}: {table.rows:,} rows, {table.users:,} {users}"
    if "uauc_users" in table.counts:
        text += f", {table.counts['uauc_users']:,} of them in UAUC"
    if table.counts.get("repeats"):
        text += f"; {table.counts['repeats']:,} targets were in the history and count as misses"
    return text


def cells(table: Table) -> tuple[list[str], list[list[str]]]:
    """Column names, and a row of text for each system."""
    metrics = list(next(iter(table.systems.values()), {}))
    rows = [[system, *(figure(values[metric]) for metric in metrics)] for system, values in table.systems.items()]
    return ["", *(title(metric) for metric in metrics)], rows


def title(metric: str) -> str:
    """NDCG@10 of ndcg@10."""
    name, at, k = metric.partition("@")
    return NAMES.get(name, name) + at + k


def plain(table: Table, split: str) -> str:
    header, rows = cells(table)
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    return "\n".join([heading(table, split), *(_line(row, widths) for row in [header, *rows])])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *figures = row
    return "  ".join(
        ["  " + name.ljust(widths[0]), *(text.rjust(w) for text, w in zip(figures, widths[1:], strict=True))]
    )
