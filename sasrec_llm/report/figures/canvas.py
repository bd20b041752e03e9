"""A figure as SVG for a page: text stays text, colours are CSS variables, ids are its own, same input same bytes.

Everything is drawn in colours that stand for a variable of the page's style sheet, so that one SVG serves light, dark
and print. 340 units wide: a phone's width, scaled up elsewhere.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import matplotlib.figure
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG

WIDTH = 340
COLOURS = 8  # for what has no meaning of its own
VARIABLES = {"#010101": "ink", "#020202": "muted", "#030303": "line", "#040404": "floor", "#050505": "page"} | {
    f"#0600{nth:02x}": f"c{nth}" for nth in range(1, COLOURS + 1)
}
INK, MUTED, LINE, FLOOR, PAGE = list(VARIABLES)[:5]
SERIES = list(VARIABLES)[5:]
MARKERS = "osD^vPX*"
DASHES = ("-", "--", ":")
SVG = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}href"
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "srl",
    "text.parse_math": False,
    "font.size": 9.5,
    "font.family": ["DejaVu Sans"],  # to measure with; the page chooses what it is shown in
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "legend.handlelength": 2.2,
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure, what to say of it, and its numbers."""

    name: str
    title: str
    caption: str  # how to read it
    words: str  # what there is to see, for who does not see it
    svg: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@contextlib.contextmanager
def canvas(height: float) -> Iterator[matplotlib.figure.Figure]:
    with style.context("default"), matplotlib.rc_context(STYLE):  # whatever is set on this machine
        figure = matplotlib.figure.Figure(figsize=(WIDTH / 72, height / 72), dpi=72, layout="constrained")
        figure.get_layout_engine().set(w_pad=4 / 72, h_pad=4 / 72)
        FigureCanvasSVG(figure)
        yield figure


def svg_of(figure: matplotlib.figure.Figure, name: str, title: str, words: str) -> str:
    stream = io.StringIO()
    figure.canvas.print_svg(stream, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(stream.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == "id":
                element.set(key, f"{name}-{value}")
            elif key == XLINK:
                del element.attrib[key]
                element.set("href", f"#{name}-{value.removeprefix('#')}")
            else:
                element.set(key, _restyled(value, name))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.attrib |= {
        "role": "img",
        "aria-labelledby": f"{name}-title",
        "aria-describedby": f"{name}-words",
        "class": "drawing",
    }
    for place, (tag, identity, text) in enumerate([("title", "title", title), ("desc", "words", words)]):
        element = ElementTree.Element(f"{{{SVG}}}{tag}", {"id": f"{name}-{identity}"})
        element.text = text
        root.insert(place, element)
    return ElementTree.tostring(root, encoding="unicode").replace(f' xmlns="{SVG}"', "", 1)


def _restyled(value: str, name: str) -> str:
    value = re.sub(r"font-family: [^;]*;? ?", "", value).replace("url(#", f"url(#{name}-")
    return re.sub(r"#[0-9a-f]{6}", lambda found: f"var(--{VARIABLES.get(found[0], 'ink')})", value)


def drawing(
    figure: matplotlib.figure.Figure,
    name: str,
    title: str,
    caption: str,
    words: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
) -> Drawing:
    return Drawing(name, title, caption, words, svg_of(figure, name, title, words), header, rows)


def look(nth: int | None, main: bool = False) -> dict[str, Any]:
    """Colour, marker and dashes of the nth series, told apart without colour too; None is a floor.

    The main one is broad and below the others: where two are the same, both are seen.
    """
    at = nth or 0
    return {
        "color": FLOOR if nth is None else SERIES[at % COLOURS],
        "marker": MARKERS[at % len(MARKERS)],
        "linestyle": "-." if nth is None else DASHES[at // COLOURS % len(DASHES)],
        "linewidth": 4.5 if main else 1.6,
        "markersize": 7.0 if main else 4.5,
        "zorder": 2.5 if main else 3,
        "markeredgecolor": PAGE,
        "markeredgewidth": 0.6,
    }


def on_axis(value: float, _: object = None) -> str:
    """.25, for an axis."""
    return f"{value:.4g}".replace("0.", ".", 1) if 0 < abs(value) < 1 else f"{value:,.4g}"


def legend_below(figure: matplotlib.figure.Figure, axes: Axes, columns: int = 2) -> None:
    handles, labels = axes.get_legend_handles_labels()
    widest = max((len(label) for label in labels), default=0)
    figure.legend(
        handles, labels, loc="outside lower left", ncols=1 if widest > 26 else columns, alignment="left", borderpad=0.2
    )
