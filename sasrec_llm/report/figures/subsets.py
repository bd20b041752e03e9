"""Where train knows user and item well, and where it does not."""

from __future__ import annotations

from collections.abc import Sequence

from sasrec_llm.evaluation.results import Table
from sasrec_llm.evaluation.subsets import MEANING
from sasrec_llm.report.figures.bars import Panel, Series, draw_rows, height
from sasrec_llm.report.figures.canvas import Drawing, canvas, drawing
from sasrec_llm.report.figures.systems import CHANCE, has_bounds, labelled, of, ranked, row_of, spoken
from sasrec_llm.report.measures import POINTS, headlines, value_of
from sasrec_llm.report.records import Contents
from sasrec_llm.report.tables import number

PAIRS = (("warm", "cold"), ("warm", "not-warm"), ("warm-3", "cold"), ("known-items", "new-items"))
MOST = 3  # subsets, where there is no such pair


def subsets(contents: Contents) -> Drawing | None:
    """None where no subset but the whole was measured."""
    tables = chosen(contents.test)
    if not tables:
        return None
    measures = contents.measures
    metrics = headlines(contents.task, measures) + ([POINTS] if POINTS in measures else [])
    kinds = ("system", "ablation", "stage", "floor") if len(contents.of("system")) == 1 else ("system", "floor")
    names = ranked(contents.whole, contents.of(*kinds), metrics[0])
    names = [name for name in names if all(name in table.systems for table in tables)]
    bounds = any(map(has_bounds, tables))
    panels = [
        Panel(
            measures[metric].title + (" ↓" if metric == POINTS else ""),
            [Series(of(table, names, metric), pale=at > 0, hatched=table.small) for at, table in enumerate(tables)],
            start=CHANCE.get(metric, 0.0),
            points=metric == POINTS,
        )
        for metric in metrics
    ]
    order = ", ".join(
        f"{table.subset} ({table.rows:,} rows{', too few to mean anything: hatched' if table.small else ''})"
        for table in tables
    )
    with canvas(height(len(names), len(tables))) as page:
        draw_rows(page, panels, [row_of(name, contents) for name in names], [1.0] * len(panels))
        header = [f"{measures[m].title}, {table.subset}" for m in metrics for table in tables]
        rows = [
            [labelled(name, contents), *(number(value_of(table, name, m)) for m in metrics for table in tables)]
            for name in names
        ]
        return drawing(
            page,
            "subsets",
            " and ".join(table.subset for table in tables).capitalize(),
            f"Under each name from top to bottom: {order}. "
            + " ".join(
                f"{table.subset.capitalize()}: {MEANING[table.subset]}." for table in tables if table.subset in MEANING
            )
            + (" Thin lines: 95 % intervals over users." if bounds else ""),
            spoken(header, rows),
            ["System", *header],
            rows,
        )


def chosen(tables: Sequence[Table]) -> list[Table]:
    """The first pair that is there; else the first few that are not the whole."""
    known = {table.subset: table for table in tables if table.rows}
    for pair in PAIRS:
        if all(name in known for name in pair):
            return [known[name] for name in pair]
    return [table for name, table in known.items() if name != "all"][:MOST]
