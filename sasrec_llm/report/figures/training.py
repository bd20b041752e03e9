"""Validation and loss over the epochs of all stages: where stages begin, what was kept, what stopped early."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from sasrec_llm.report.figures.canvas import INK, MUTED, PAGE, Drawing, canvas, drawing, legend_below, look, on_axis
from sasrec_llm.report.figures.systems import look_of
from sasrec_llm.report.measures import POINTS, headlines
from sasrec_llm.report.records import Contents, Stage, Training
from sasrec_llm.report.tables import number

Point = tuple[float, float]


def training(contents: Contents) -> Drawing | None:
    """None where nothing was logged: nothing was trained, or only closed forms were."""
    logged = [found for found in contents.trainings if found.logged]
    if not logged:
        return None
    shown = headlines(contents.task, contents.measures)
    points = [[POINTS]] if POINTS in contents.measures else []
    panels = [shown[:1], *points] if len(logged) > 1 else [shown, *points, []]  # losses differ between objectives
    with canvas(110 * len(panels) + 60 + 15 * len(logged)) as page:
        axes = page.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axis, metrics in zip(axes, panels, strict=True):
            titles = [contents.measures[name].title for name in metrics]
            axis.set_title(
                f"{' and '.join(titles)} on validation" if titles else "Training loss",
                color=MUTED,
                pad=15 if axis is axes[0] and len(logged) == 1 else 6,
            )
            for found in logged:
                for place, metric in enumerate(metrics):
                    several = len(logged) > 1
                    style = look_of(found.system, contents) if several else look(place)
                    label = found.system if several else titles[place]
                    drawn = {line.get_label() for line in axis.get_lines()}  # of several seeds, the first
                    _curve(axis, found, metric, style, "_" if label in drawn else label)
                if not metrics:
                    _curve(axis, found, "", look(0) | {"marker": ""}, "")
            axis.yaxis.set_major_formatter(on_axis)
            if len(logged) == 1:
                _boundaries(axis, logged[0], named=axis is axes[0])
        axes[-1].set_xlabel("epoch, all stages one after the other")
        if len(logged) > 1:
            axes[-1].set_xscale("log")
            axes[-1].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes[-1].xaxis.set_minor_locator(NullLocator())
            axes[-1].xaxis.set_major_formatter(on_axis)
        else:
            axes[-1].set_xlim(left=0)
        legend_below(page, axes[0])
        rows = [row for found in logged for row in described(found, alone=len(contents.trainings) == 1)]
        header = ["Stage", "Epochs", "Best epoch", "End", "Chosen by", "Best on validation"]
        words = " ".join(
            f"Stage {stage}: {epochs} epochs, best {at}, {end}, {metric} {value}."
            for stage, epochs, at, end, metric, value in rows
        )
        return drawing(
            page,
            "training",
            "Training curves",
            "A star is the epoch whose parts were kept, a cross an end before the last epoch because nothing was "
            f"gained any more; {'lines break' if len(logged) > 1 else 'vertical lines are'} where stages begin. "
            + _unlogged(logged),
            words,
            header,
            rows,
        )


def _curve(axis: Axes, found: Training, metric: str, style: Mapping[str, Any], label: str) -> None:
    begin = 0.0
    for stage in found.stages:
        points = validated(stage, metric) if metric else list(stage.losses)
        epochs, values = [begin + epoch for epoch, _ in points], [value for _, value in points]
        axis.plot(epochs, values, label=label, markevery=max(1, len(points) // 16), **style)
        label = "_"  # once in the legend
        kept = [point for point in points if metric and point[0] == stage.best_epoch]
        for epoch, value in kept:
            star = {"marker": "*", "markersize": 12, "markeredgecolor": PAGE}
            axis.plot([begin + epoch], [value], zorder=6, color=style["color"], **star)
        if metric and stage.stopped_early and points:
            axis.plot([epochs[-1]], [values[-1]], marker="x", markersize=6, markeredgewidth=1.4, zorder=6, color=INK)
        begin += stage.length


def _boundaries(axis: Axes, found: Training, named: bool) -> None:
    begin = 0.0
    for stage in found.stages:
        if not stage.length:
            continue
        if begin:
            axis.axvline(begin, color=MUTED, linewidth=0.8)
        if named:
            axis.annotate(
                stage.name, (begin, 1), xycoords=("data", "axes fraction"), xytext=(1, 2),
                textcoords="offset points", va="bottom", color=INK, fontsize=8, annotation_clip=False,
            )  # fmt: skip
        begin += stage.length


def validated(stage: Stage, metric: str) -> list[Point]:
    return [(epoch, values[metric]) for epoch, values in stage.validated if metric in values]


def described(found: Training, *, alone: bool) -> Iterable[list[str]]:
    for stage in found.stages:
        best = [value for epoch, value in validated(stage, stage.metric) if epoch == stage.best_epoch]
        yield [
            stage.name if alone else f"{found.system}, seed {found.seed}: {stage.name}",
            "–" if stage.epochs is None else str(stage.epochs),
            "before the first" if stage.best_epoch == 0 else "–" if stage.best_epoch is None else str(stage.best_epoch),
            "closed form" if stage.epochs is None else "stopped early" if stage.stopped_early else "ran to its end",
            stage.metric,
            number(best[0]) if best else "–",
        ]


def _unlogged(logged: Sequence[Training]) -> str:
    names = [stage.name for found in logged for stage in found.stages if stage.epochs and not stage.length]
    if not names:
        return ""
    return f"Not drawn: {', '.join(names)}, taken over from another run, in whose report it is."
