"""How much better or worse than a reference, in percent, metric by metric."""

from __future__ import annotations

import numpy as np

from sasrec_llm.report.figures.canvas import INK, MUTED, Drawing, canvas, drawing, legend_below
from sasrec_llm.report.figures.systems import look_of, ranked, spoken
from sasrec_llm.report.measures import OF_LISTS, gain, general, headlines, value_of
from sasrec_llm.report.records import Contents

MOST = 8
METRICS = 7
WIDE = 3000.0  # percent beyond which the scale is logarithmic


def ablation(contents: Contents) -> Drawing | None:
    """None where there is no reference or nothing to compare with it."""
    table, reference = contents.whole, contents.baseline
    lead = headlines(contents.task, contents.measures)[0]
    kinds = ("system", "ablation", "stage") if len(contents.of("system")) == 1 else ("system", "ablation")
    names = [name for name in contents.of(*kinds) if name != reference and name in table.systems]
    names = ranked(table, names, lead)[:MOST]
    metrics = [
        name
        for name in general(contents.measures)
        if name.partition("@")[0] not in OF_LISTS and value_of(table, reference, name)  # not of nothing
    ][:METRICS]
    if reference not in table.systems or not names or not metrics:
        return None
    gains = {
        name: [gain(contents.measures[m], value_of(table, name, m), value_of(table, reference, m)) for m in metrics]
        for name in names
    }
    titles = [contents.measures[name].title for name in metrics]
    found = [value for values in gains.values() for value in values if value is not None]
    with canvas(250 + 15 * len(names)) as page:
        axes = page.add_subplot()
        axes.axhline(0, color=INK, linestyle="--", linewidth=1)
        for name, values in gains.items():
            axes.plot(
                range(len(metrics)), [np.nan if v is None else v for v in values], label=name, **look_of(name, contents)
            )
        axes.set_xticks(range(len(metrics)), labels=titles, rotation=35, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.3, len(metrics) - 0.7)
        if found and max(map(abs, found)) > WIDE:
            axes.set_yscale("symlog", linthresh=10)
            axes.set_ylim(min([-5, *(1.3 * value for value in found)]), 1.3 * max(found))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:+,.0f} %" if value else "0")
        axes.set_title(f"Better (+) or worse (−) than {reference}, the dashed line", color=MUTED)
        legend_below(page, axes, 1)
        rows = [[name, *("–" if v is None else f"{v:+.1f} %" for v in values)] for name, values in gains.items()]
        return drawing(
            page,
            "ablation",
            f"Parts of the system, relative to {reference}",
            f"Percent by which each is better or worse than {reference} on the test rows; for metrics of which less is "
            "better, the sign is turned. A large percentage of a small figure is still small: see the table.",
            f"Relative to {reference}. " + spoken(titles, rows),
            ["System", *titles],
            rows,
        )
