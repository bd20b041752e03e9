"""Contents to one HTML file that needs nothing else: no network, no script."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sasrec_llm.evaluation.bootstrap import Difference, Figure
from sasrec_llm.evaluation.results import Table
from sasrec_llm.evaluation.subsets import MEANING
from sasrec_llm.report.figures.ablation import ablation
from sasrec_llm.report.figures.answers import answers
from sasrec_llm.report.figures.calibration import calibration
from sasrec_llm.report.figures.canvas import Drawing
from sasrec_llm.report.figures.popularity import popularity
from sasrec_llm.report.figures.radar import radar
from sasrec_llm.report.figures.subsets import subsets
from sasrec_llm.report.figures.systems import systems
from sasrec_llm.report.figures.training import training
from sasrec_llm.report.measures import best, bounds
from sasrec_llm.report.records import Contents, Measure
from sasrec_llm.report.summary import costs, sentences, stages, tiles
from sasrec_llm.report.tables import number, title

NUMBER = re.compile(r"[–+\-.\d]")


@dataclass(frozen=True, slots=True)
class Place:
    """A figure's place on the page, and what stands there when it cannot be drawn."""

    draw: Callable[[Contents], Drawing | None]
    otherwise: str

    def __call__(self, contents: Contents) -> Drawing | str:
        return self.draw(contents) or contents.notes.get(self.draw.__name__) or self.otherwise


COMPARED = (
    Place(systems, ""),
    Place(radar, "Order over all metrics is not drawn: that takes three metrics and two systems."),
    Place(ablation, "Relative figures are not drawn: there is no floor and no other reference to stand against."),
    Place(subsets, "Warm and cold are not drawn: only the whole was measured (evaluate.subsets in the recipe)."),
    Place(training, "Training curves are not drawn: nothing was trained epoch by epoch."),
)
ANSWERED = (
    Place(answers, "The distribution of answers is not drawn: it was not kept."),
    Place(calibration, "Calibration is not drawn: predictions.parquet is gone."),
    Place(popularity, "Popularity is not drawn: it takes the prepared dataset and predictions.parquet."),
)
EXPECTED = tuple(place.draw.__name__ for place in COMPARED + ANSWERED)


def page(contents: Contents) -> str:
    return (
        _environment()
        .get_template("page.html")
        .render(
            contents=contents,
            sentences=list(sentences(contents)),
            tiles=tiles(contents),
            compared=[place(contents) for place in COMPARED],
            answered=[place(contents) for place in ANSWERED],
            costs=costs(contents),
            stages=stages(contents),
        )
    )


@functools.cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("sasrec_llm.report"),
        autoescape=True,  # titles come from anywhere
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals |= {
        "best": best,
        "columns": columns,
        "difference": difference,
        "size": size,
        "estimate": estimate,
        "groups": groups,
        "sides": sides,
    }
    found.tests["drawing"] = lambda value: isinstance(value, Drawing)
    found.filters["svg"] = Markup  # drawn and escaped by canvas.py
    return found


def estimate(found: Figure) -> tuple[str, list[str]]:
    """The figure, and what is known of how sure it is."""
    around = f"[{number(found.low, 3)}, {number(found.high, 3)}]" if bounds(found) else ""
    seeds = f"±{number(found.sd, 3)}" if found.sd is not None else ""
    return number(found.value), [text for text in (around, seeds) if text]


def sides(rows: Sequence[Sequence[str]]) -> list[str]:
    """The class of each column: text stands left, numbers right."""
    return ["" if all(NUMBER.match(text) for text in column) else "text" for column in zip(*rows, strict=True)]


def difference(found: Difference) -> tuple[str, str]:
    """With its sign; its interval and p."""
    if found.value is None or found.low is None or found.high is None or found.p is None:
        return "–", ""
    value, low, high = (
        number(end, 3) if end < 0 else f"+{number(end, 3)}" for end in (found.value, found.low, found.high)
    )
    return value.replace("-", "−"), f"[{low}, {high}] p {number(found.p, 3)}".replace("-", "−")


def size(table: Table, split: str) -> str:
    """How much a table stands on, in words."""
    rows, users = ("row" if table.rows == 1 else "rows"), ("user" if table.users == 1 else "users")
    notes = [f"{table.rows:,} {split} {rows} of {table.users:,} {users}"]
    if table.subset != "all" and table.subset in MEANING:
        notes[0] += f": {MEANING[table.subset]}"
    if "uauc_users" in table.counts:
        notes.append(f"{title('uauc')} over the {table.counts['uauc_users']:,} with both a like and a dislike")
    if table.counts.get("repeats"):
        notes.append(f"{table.counts['repeats']:,} targets were in the history and count as misses for every system")
    return "; ".join(notes) + "."


def columns(contents: Contents, table: Table) -> list[Measure]:
    """The metrics that some system of the table has."""
    known = {name for values in table.systems.values() for name in values}
    return [measure for name, measure in contents.measures.items() if name in known]


def groups(contents: Contents, names: Iterable[str]) -> list[tuple[str, list[str]]]:
    """(heading, systems) of a table's parts: what was built, then the floors."""
    present = set(names)
    parts = (("", ("system", "ablation", "stage")), ("Floors", ("floor",)))
    found = [(heading, [name for name in contents.of(*kinds) if name in present]) for heading, kinds in parts]
    return [(heading, systems) for heading, systems in found if systems]
