"""How popular is what is recommended, beside what is liked?"""

from __future__ import annotations

import numpy as np

from sasrec_llm.report.figures.canvas import FLOOR, Drawing, canvas, drawing, legend_below
from sasrec_llm.report.figures.systems import labelled, look_of
from sasrec_llm.report.records import Contents


def popularity(contents: Contents) -> Drawing | None:
    """None where the data is not there."""
    found = contents.popularity
    if found is None:
        return None
    places = np.arange(len(found.liked))
    labels = [str(place + 1) for place in places[:-1]] + ["none"]
    with canvas(250 + 15 * len(found.recommended)) as page:
        axes = page.add_subplot()
        axes.bar(places, found.liked, width=0.8, color=FLOOR, alpha=0.45, label="liked in test")
        for name, shares in found.recommended.items():
            axes.plot(places, shares, label=f"recommended by {labelled(name, contents)}", **look_of(name, contents))
        axes.set_xticks(places, labels=labels)
        axes.set_xlabel("tenth of the likes in train, most popular items first")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_ylim(bottom=0)
        axes.grid(axis="x", visible=False)
        legend_below(page, axes, 1)
        series = {"liked in test": found.liked, **found.recommended}
        rows = [
            [label, f"{items:,}", *(f"{share[at]:.1%}" for share in series.values())]
            for at, (label, items) in enumerate(zip(labels, found.items, strict=True))
        ]
        what = (
            "Recommended: as many test rows as there are likes, those with the highest probabilities."
            if contents.task == "like"
            else "Recommended: the first ten items of every list."
        )
        return drawing(
            page,
            "popularity",
            "Popularity of what is recommended",
            "Items in order of their likes in train, cut where each part holds a tenth of all likes, so the first part "
            f"is a few very popular items; none: items without a like in train. {what}",
            " ".join(
                f"{name}: {share[0]:.0%} from the most popular tenth, {sum(share[5:]):.0%} from the less popular half."
                for name, share in series.items()
            ),
            ["Tenth", "Items", *series],
            rows,
        )
