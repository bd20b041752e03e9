"""Metrics as they are shown: which way is better, which ones stand for the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sasrec_llm.components import Task
from sasrec_llm.evaluation.bootstrap import Figure
from sasrec_llm.evaluation.results import Table
from sasrec_llm.plugins import Plugins
from sasrec_llm.report.records import Better, Measure
from sasrec_llm.report.tables import title

NEUTRAL = ("yes",)  # saying Yes more often is neither better nor worse
HEADLINES: dict[Task, tuple[str, ...]] = {"like": ("auc", "uauc"), "next-item": ("ndcg", "hr")}
POINTS = "logloss"
OF_PROBABILITIES = ("brier", "ece")  # say little that LogLoss does not
OF_LISTS = ("coverage", "novelty", "serendipity")  # may be any multiple of a floor's


def measure_of(name: str, plugins: Plugins) -> Measure:
    """Of "logloss (platt)", the metric is logloss; one whose plugin is gone is shown and not ranked on."""
    base, _, calibration = name.partition(" (")
    known = plugins.offers("metrics").get(base)
    shown = title(name)
    if known is None:
        return Measure(name, shown)
    component = known[0]
    better: Better = "" if base in NEUTRAL else "higher" if component.larger_is_better else "lower"
    after = f"; probabilities fitted on validation by {calibration.removesuffix(')')}" if calibration else ""
    return Measure(name, shown, better, component.summary + after)


def headlines(task: Task, measures: Iterable[str]) -> list[str]:
    """The two metrics that stand for the whole: at the smallest cut there is."""
    names = list(measures)
    found = [next((name for name in names if name.partition("@")[0] == wanted), "") for wanted in HEADLINES[task]]
    return [name for name in found if name] or names[:1]


def general(measures: Mapping[str, Measure]) -> list[str]:
    """The metrics of figures over many of them: those of which one direction is better, none twice over."""
    return [
        name
        for name, measure in measures.items()
        if measure.better and " (" not in name and name not in OF_PROBABILITIES
    ]


def value_of(table: Table, system: str, metric: str) -> float | None:
    return figure_of(table, system, metric).value


def figure_of(table: Table, system: str, metric: str) -> Figure:
    """What is not in the table is not known."""
    return table.systems.get(system, {}).get(metric, Figure(None))


def bounds(found: Figure) -> tuple[float, float] | None:
    return None if found.low is None or found.high is None else (found.low, found.high)


def best(table: Table, measure: Measure) -> frozenset[str]:
    """The systems whose shown figure no other beats; nobody where the table is too small or nothing is better."""
    if table.small or not measure.better:
        return frozenset()
    values = {
        system: round(found, 4)
        for system in table.systems
        if (found := value_of(table, system, measure.name)) is not None
    }
    if len(set(values.values())) < 2:
        return frozenset()
    top = max(values.values()) if measure.better == "higher" else min(values.values())
    return frozenset(system for system, value in values.items() if value == top)


def gain(measure: Measure, value: float | None, against: float | None) -> float | None:
    """Percent by which a value is better than another; None where that is not defined."""
    if value is None or not against or not measure.better:
        return None
    return 100 * (value - against) / abs(against) * (1 if measure.better == "higher" else -1)


def first_best(table: Table, measure: Measure, systems: Iterable[str]) -> str:
    """The best of some systems by one metric; "" where none has a figure."""
    values: Mapping[str, float] = {
        name: value for name in systems if (value := value_of(table, name, measure.name)) is not None
    }
    if not values:
        return ""
    return min(values, key=lambda name: (values[name] * (-1 if measure.better == "higher" else 1), name))
