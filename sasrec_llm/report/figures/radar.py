"""A few systems over many metrics: each spoke runs from the worst to the best of those shown."""

from __future__ import annotations

import numpy as np

from sasrec_llm.report.figures.canvas import INK, LINE, MUTED, Drawing, canvas, drawing, legend_below
from sasrec_llm.report.figures.systems import labelled, look_of, ranked, spoken
from sasrec_llm.report.measures import first_best, general, headlines, value_of
from sasrec_llm.report.records import Contents
from sasrec_llm.report.tables import number

MOST = 6
SPOKES = 8


def radar(contents: Contents) -> Drawing | None:
    """None where fewer than three metrics or two systems have figures."""
    table, task = contents.whole, contents.task
    lead = headlines(task, contents.measures)[0]
    floor = first_best(table, contents.measures[lead], contents.of("floor"))
    own = ranked(table, contents.of("system"), lead) + ranked(table, contents.of("ablation", "stage"), lead)
    names = [name for name in [*own[: MOST - 1], floor] if name]
    known = [
        name for name in general(contents.measures) if all(value_of(table, who, name) is not None for who in names)
    ]
    metrics = known[:SPOKES]
    if len(metrics) < 3 or len(names) < 2:
        return None
    values = np.array(
        [[value_of(table, name, metric) for metric in metrics] for name in names], float
    )  # [systems, metrics]
    signs = np.array([1 if contents.measures[metric].better == "higher" else -1 for metric in metrics])
    towards = values * signs
    low, high = towards.min(0), towards.max(0)
    place = 0.15 + 0.85 * np.where(high > low, (towards - low) / np.where(high > low, high - low, 1), 1)
    angles = np.linspace(0, 2 * np.pi, len(metrics), endpoint=False)
    best = values[towards.argmax(0), range(len(metrics))]
    worst = values[towards.argmin(0), range(len(metrics))]
    with canvas(300 + 15 * ((len(names) + 1) // 2)) as page:
        axes = page.add_subplot(projection="polar")
        axes.set_theta_offset(np.pi / 2)
        axes.set_theta_direction(-1)
        axes.set_ylim(0, 1)
        axes.set_yticks([0.15, 0.575, 1.0], labels=[])
        axes.set_xticks(angles, labels=[])
        axes.spines["polar"].set_color(LINE)
        for angle, metric, top, bottom in zip(angles, metrics, best, worst, strict=True):
            side, up = np.sin(angle), np.cos(angle)
            align = "center" if abs(side) < 0.1 else "left" if side > 0 else "right"
            for text, lift, style in (
                (contents.measures[metric].title, 5.0, {"color": INK}),
                (f"{number(bottom)}–{number(top)}", -5.0, {"color": MUTED, "fontsize": 7.5}),
            ):
                axes.annotate(
                    text, (angle, 1.0), xytext=(7 * side, 13 * up + lift), textcoords="offset points", ha=align,
                    va="center", annotation_clip=False, **style,
                )  # fmt: skip
        for name, spokes in zip(names, place, strict=True):
            around = np.append(spokes, spokes[0])
            axes.plot(np.append(angles, 0), around, label=labelled(name, contents), **look_of(name, contents))
        legend_below(page, axes)
        titles = [contents.measures[metric].title for metric in metrics]
        rows = [[labelled(name, contents), *(number(value) for value in values[at])] for at, name in enumerate(names)]
        return drawing(
            page,
            "radar",
            "Order over all metrics",
            "Each spoke runs from the worst (inner ring) to the best (rim) of the systems shown, whose figures stand "
            "at its end. It shows who leads in what, not by how much: a spoke may span very little.",
            spoken(titles, rows),
            ["System", *titles],
            rows,
        )
