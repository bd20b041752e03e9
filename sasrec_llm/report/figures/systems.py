"""All systems by the metrics that stand for the whole, with LogLoss beside them where there is one."""

from __future__ import annotations

from typing import Any

import numpy as np

from sasrec_llm.evaluation.bootstrap import Figure
from sasrec_llm.evaluation.results import Table
from sasrec_llm.report.figures.bars import Panel, Row, Series, draw_rows, height
from sasrec_llm.report.figures.canvas import Drawing, canvas, drawing, look
from sasrec_llm.report.measures import POINTS, bounds, figure_of, headlines, value_of
from sasrec_llm.report.records import Contents
from sasrec_llm.report.tables import number

CHANCE = {"auc": 0.5, "uauc": 0.5}  # where bars begin


def systems(contents: Contents) -> Drawing:
    table, measures = contents.whole, contents.measures
    shown = headlines(contents.task, measures)
    names = ranked(table, list(contents.systems), shown[0])
    points = [POINTS] if POINTS in measures else []
    titles = " and ".join(measures[name].title for name in shown)
    panels = [
        Panel(
            f"{measures[shown[0]].title} (dark)" + "".join(f", {measures[name].title} (pale)" for name in shown[1:]),
            [Series(of(table, names, name), pale=name != shown[0]) for name in shown],
            start=CHANCE.get(shown[0], 0.0),
        )
    ] + [Panel(f"{measures[name].title} ↓", [Series(of(table, names, name))], points=True) for name in points]
    with canvas(height(len(names), len(shown))) as page:
        draw_rows(page, panels, [row_of(name, contents) for name in names], [2.1, 1.0][: len(panels)])
        rows = [
            [labelled(name, contents), *(number(value_of(table, name, metric)) for metric in [*shown, *points])]
            for name in names
        ]
        return drawing(
            page,
            "systems",
            f"{titles} of every system" + (" with LogLoss" if points else ""),
            f"Test rows, sorted by {measures[shown[0]].title}. Floors are grey: closed forms that any system has to "
            "beat."
            + (" Bars begin at chance, .5." if shown[0] in CHANCE else "")
            + (" Thin lines: 95 % intervals over users." if has_bounds(table) else "")
            + (" LogLoss: less is better." if points else ""),
            spoken([measures[name].title for name in [*shown, *points]], rows),
            ["System", *(measures[name].title for name in [*shown, *points])],
            rows,
        )


def ranked(table: Table, names: list[str], metric: str) -> list[str]:
    """The best first; what has no figure last."""
    return sorted(
        (name for name in names if name in table.systems),
        key=lambda name: -value if (value := value_of(table, name, metric)) is not None else np.inf,
    )


def of(table: Table, names: list[str], metric: str) -> list[Figure]:
    return [figure_of(table, name, metric) for name in names]


def has_bounds(table: Table) -> bool:
    return any(bounds(found) for values in table.systems.values() for found in values.values())


def row_of(name: str, contents: Contents) -> Row:
    kind = contents.systems[name]
    return Row(labelled(name, contents), own=kind == "system" and len(contents.systems) > 1, floor=kind == "floor")


def labelled(name: str, contents: Contents) -> str:
    return f"{name} · floor" if contents.systems[name] == "floor" else name


def look_of(name: str, contents: Contents) -> dict[str, Any]:
    """A system looks the same in every figure; floors are grey."""
    own, rest = contents.of("system"), contents.of("ablation", "stage")
    known = own + rest
    return look(known.index(name) if name in known else None, main=own == [name] and bool(rest))


def spoken(columns: list[str], rows: list[list[str]]) -> str:
    """Rows of figures as sentences."""
    return " ".join(
        f"{row[0]}: " + ", ".join(f"{column} {text}" for column, text in zip(columns, row[1:], strict=True)) + "."
        for row in rows
    )
