"""What the systems answered, against what was right."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from sasrec_llm.report.figures.canvas import FLOOR, LINE, MUTED, SERIES, Drawing, canvas, drawing
from sasrec_llm.report.figures.systems import labelled, ranked
from sasrec_llm.report.measures import first_best, headlines
from sasrec_llm.report.records import Contents

MOST = 4


def answers(contents: Contents) -> Drawing | None:
    """None where the answers were not counted."""
    lead = headlines(contents.task, contents.measures)[0]
    floor = first_best(contents.whole, contents.measures[lead], contents.of("floor"))
    own = [*ranked(contents.whole, contents.of("system"), lead), *contents.of("ablation", "stage")]
    told = [contents.baseline] if contents.systems.get(contents.baseline) == "system" else []
    chosen = dict.fromkeys([*own[: MOST - 1 - len(told)], *told, floor])
    names = [name for name in chosen if name in contents.answers]
    if not names:
        return None
    return likes(contents, names) if contents.task == "like" else places(contents, names)


def likes(contents: Contents, names: Sequence[str]) -> Drawing:
    """Rows by the probability they were given: likes upwards, dislikes downwards."""
    counts = {name: (contents.answers[name]["like"], contents.answers[name]["dislike"]) for name in names}
    most = max(max(*up, *down) for up, down in counts.values())
    with canvas(30 + 92 * len(names)) as page:
        axes = page.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
        for axis, (name, (up, down)) in zip(axes, counts.items(), strict=True):
            middle = [(at + 0.5) / len(up) for at in range(len(up))]
            axis.bar(middle, up, width=0.088, color=SERIES[0])
            axis.bar(middle, [-count for count in down], width=0.088, color=SERIES[1], hatch="////", edgecolor=LINE)
            axis.axhline(0, color=MUTED, linewidth=0.8)
            axis.axvline(0.5, color=MUTED, linewidth=0.8, linestyle=":")
            axis.set_ylim(-most * 1.05, most * 1.05)
            _frame(axis, labelled(name, contents))
        axes[-1].set_xlabel("probability of a like")
        rows = [
            [labelled(name, contents), label, *(f"{count:,}" for count in row)]
            for name, pair in counts.items()
            for label, row in zip(("liked", "disliked"), pair, strict=True)
        ]
        words = " ".join(_said(labelled(name, contents), up, down) for name, (up, down) in counts.items())
        return drawing(
            page,
            "answers",
            "Answers against labels",
            "Test rows by the probability they were given, in tenths: above the line those that were liked, below it, "
            "hatched, those that were not. A system that says Yes to everything has all its rows on the right.",
            words,
            ["System", "Rows", *(f"{at / 10:.1f}–{(at + 1) / 10:.1f}" for at in range(10))],
            rows,
        )


def _said(name: str, up: Sequence[int], down: Sequence[int]) -> str:
    half, rows = len(up) // 2, max(sum(up) + sum(down), 1)
    yes = (sum(up[half:]) + sum(down[half:])) / rows
    return f"{name}: {yes:.0%} of the rows were given .5 or more, {sum(up) / rows:.0%} were liked."


def places(contents: Contents, names: Sequence[str]) -> Drawing:
    """Rows by the place of what came next."""
    rows = max(contents.whole.rows, 1)
    shares = {name: [count / rows for count in contents.answers[name]["rank"]] for name in names}
    most = max(max(share) for share in shares.values()) or 1.0
    with canvas(30 + 80 * len(names)) as page:
        axes = page.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
        for axis, (name, share) in zip(axes, shares.items(), strict=True):
            floor = contents.systems[name] == "floor"
            axis.bar(range(1, len(share) + 1), share, width=0.8, color=FLOOR if floor else SERIES[0])
            axis.set_ylim(0, most * 1.1)
            axis.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
            _frame(axis, f"{labelled(name, contents)}: {1 - sum(share):.0%} beyond place {len(share)}")
        axes[-1].set_xticks([1, *range(5, len(next(iter(shares.values()))) + 1, 5)])
        axes[-1].set_xlabel("place of the item that came next")
        table = [
            [labelled(name, contents), *(f"{value:.2%}" for value in share), f"{1 - sum(share):.2%}"]
            for name, share in shares.items()
        ]
        words = " ".join(
            f"{labelled(name, contents)}: {share[0]:.1%} on place 1, {sum(share[:10]):.1%} among the first ten, "
            f"{1 - sum(share):.1%} beyond place {len(share)}."
            for name, share in shares.items()
        )
        length = len(next(iter(shares.values())))
        return drawing(
            page,
            "answers",
            "Where what came next was ranked",
            "Share of the test rows by the place of the item that came next, among all that the user had not had.",
            words,
            ["System", *map(str, range(1, length + 1)), "beyond"],
            table,
        )


def _frame(axis: Axes, name: str) -> None:
    axis.set_title(name)
    axis.locator_params(axis="y", nbins=3)
    axis.spines["left"].set_visible(False)
    if axis.yaxis.get_major_formatter().__class__.__name__ == "ScalarFormatter":
        axis.yaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
