"""Rows of bars or points under a name each, panels of metrics side by side: made for narrow pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes

from sasrec_llm.evaluation.bootstrap import Figure
from sasrec_llm.report.figures.canvas import FLOOR, INK, LINE, MUTED, PAGE, SERIES, on_axis
from sasrec_llm.report.measures import bounds
from sasrec_llm.report.tables import number

LINE_HEIGHT = 12.5  # units: a bar or a name
GAP = 7.0
ROOM = 0.3  # of a panel's width, for the figure behind a bar


@dataclass(frozen=True, slots=True)
class Series:
    """One figure of every row."""

    values: Sequence[Figure]
    pale: bool = False
    hatched: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    series: Sequence[Series]
    start: float = 0.0  # where bars begin
    points: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    own: bool = False  # what the page is about
    floor: bool = False


def height(rows: int, lines: int) -> float:
    """Units that `rows` take with `lines` bars each."""
    return rows * (LINE_HEIGHT * (lines + 1) + GAP) + 46


def draw_rows(
    page: matplotlib.figure.Figure, panels: Sequence[Panel], rows: Sequence[Row], widths: Sequence[float]
) -> None:
    lines = max(len(panel.series) for panel in panels)
    tops = np.arange(len(rows)) * (LINE_HEIGHT * (lines + 1) + GAP)
    for axes, panel in zip(page.subplots(1, len(panels), squeeze=False, width_ratios=widths)[0], panels, strict=True):
        low, high = _frame(axes, panel, tops, lines)
        for at, series in enumerate(panel.series):
            middles = tops + LINE_HEIGHT * (1.5 + (lines - len(panel.series)) / 2 + at)
            for row, found, middle in zip(rows, series.values, middles, strict=True):
                _draw(axes, panel, series, found, float(middle), FLOOR if row.floor else SERIES[0], low, high)
    first = page.axes[0]
    for row, top in zip(rows, tops, strict=True):
        first.annotate(
            row.name, (0, top + LINE_HEIGHT * 0.4), xycoords=("axes fraction", "data"), va="center", color=INK,
            annotation_clip=False, fontweight="bold" if row.own else "normal",
        )  # fmt: skip


def _frame(axes: Axes, panel: Panel, tops: np.ndarray, lines: int) -> tuple[float, float]:
    """Everything but the figures; from where to where these go."""
    low, high = _limits(panel)
    axes.set_xlim(low, high + (high - low) * ROOM)
    axes.set_ylim(tops[-1] + LINE_HEIGHT * (lines + 1) + GAP, -2)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.set_title(panel.title, color=MUTED)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.locator_params(axis="x", nbins=4, min_n_ticks=3)
    axes.set_xticks([tick for tick in axes.get_xticks() if low <= tick <= high])
    axes.xaxis.set_major_formatter(on_axis)
    ends = tops + LINE_HEIGHT * (lines + 1)
    for tick in axes.get_xticks():
        axes.vlines([tick] * len(tops), tops + LINE_HEIGHT, ends, color=LINE, linewidth=0.6, zorder=0.5)
    if not panel.points:
        axes.vlines([panel.start] * len(tops), tops + LINE_HEIGHT, ends, color=MUTED, linewidth=0.8, zorder=0.6)
    return low, high


def _limits(panel: Panel) -> tuple[float, float]:
    """All of it, but for points more than twice as far out as the middle one."""
    values = [found for series in panel.series for found in series.values if found.value is not None]
    ends = [end for found in values for end in (found.value, *(bounds(found) or ())) if end is not None]
    if not ends:
        return panel.start, panel.start + 1
    if not panel.points:
        low, high = min([panel.start, *ends]), max([panel.start, *ends])
        return low, high if high > low else low + 1
    far = 2 * float(np.median([found.value for found in values if found.value is not None]))
    kept = [end for end in ends if end <= far] or ends
    margin = 0.08 * (max(kept) - min(kept)) or 0.05 * abs(max(kept)) or 1.0
    return min(kept) - margin, max(kept) + margin


def _draw(
    axes: Axes, panel: Panel, series: Series, found: Figure, middle: float, colour: str, low: float, high: float
) -> None:
    start = low if panel.points else panel.start
    if found.value is None:
        axes.annotate("not defined", (start, middle), va="center", color=MUTED, fontsize=8)
        return
    beyond = found.value > high
    if panel.points:
        axes.plot([min(found.value, high)], [middle], marker=">" if beyond else "D", color=colour, zorder=3)
    else:
        fill = {"facecolor": PAGE, "hatch": "//////"} if series.hatched else {"facecolor": colour}
        width, thick = found.value - start, LINE_HEIGHT * 0.72
        axes.barh(
            middle, width, thick, start, edgecolor=colour, linewidth=0.6, alpha=0.45 if series.pale else 1, **fill
        )
    end = max(min(found.value, high), start)
    around = bounds(found)
    if around and not beyond:
        axes.plot(around, [middle, middle], color=INK, linewidth=0.9, zorder=4)
        end = max(end, around[1])
    axes.annotate(
        number(found.value), (end, middle), xytext=(4, 0), textcoords="offset points", va="center",
        color=MUTED, fontsize=8, annotation_clip=False,
    )  # fmt: skip
