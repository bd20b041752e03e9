"""Does a probability mean what it says?"""

from __future__ import annotations

from sasrec_llm.report.figures.canvas import MUTED, PAGE, Drawing, canvas, drawing, legend_below, on_axis
from sasrec_llm.report.figures.systems import labelled, look_of, spoken
from sasrec_llm.report.records import Contents
from sasrec_llm.report.tables import number


def calibration(contents: Contents) -> Drawing | None:
    """None where there are no probabilities to look at."""
    if not contents.reliability:
        return None
    calibrated = {f"{name}, calibrated": found for name, found in contents.calibrated.items()}
    with canvas(315 + 15 * (len(contents.reliability) + len(calibrated))) as page:
        axes = page.add_subplot()
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle="--", linewidth=1)
        axes.set_aspect("equal")
        axes.xaxis.set_major_formatter(on_axis)
        axes.yaxis.set_major_formatter(on_axis)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="mean probability in the bin", ylabel="share that was liked")
        for name, found in contents.reliability.items():
            axes.plot(found.said, found.happened, label=labelled(name, contents), **look_of(name, contents))
        for name, found in contents.calibrated.items():
            style = look_of(name, contents) | {
                "linestyle": ":",
                "linewidth": 1.6,
                "markersize": 4.5,
                "markerfacecolor": PAGE,
            }
            style["markeredgecolor"] = style["color"]
            axes.plot(found.said, found.happened, label=f"{name}, calibrated on validation", **style)
        legend_below(page, axes)
        rows, gaps = [], []
        for name, found in (dict(contents.reliability) | calibrated).items():
            for said, happened, count in zip(found.said, found.happened, found.rows, strict=True):
                rows.append([name, f"{count:,}", number(said), number(happened)])
            total = sum(found.rows)
            gap = sum(n * abs(s - h) for s, h, n in zip(found.said, found.happened, found.rows, strict=True)) / total
            gaps.append([name, number(gap)])
        return drawing(
            page,
            "calibration",
            "Calibration",
            "Test rows in fifteen bins of equal size by probability. On the dashed line, of the rows that were given "
            ".7, seven in ten were liked; below it the system is too sure of likes.",
            spoken(["mean distance from the line"], gaps),
            ["System", "Rows", "Mean probability", "Share liked"],
            rows,
        )
