"""`report.html` of a run or of a comparison, from their folders and, where it is still there, the prepared dataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sasrec_llm.data.card import read_card
from sasrec_llm.data.interactions import Interactions, load_interactions
from sasrec_llm.durable import read_json, write_text
from sasrec_llm.errors import SrlError
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.data import Data
from sasrec_llm.report.contents import Prepared, contents_of_comparison, contents_of_run
from sasrec_llm.report.page import page


def write_report(folder: Path, to: Path, *, datasets: Path, plugins: Plugins, data: Interactions | None = None) -> None:
    """`datasets`: the folder of the prepared ones; `data`: what the run was scored on, if it is open already."""
    write_text(to, page(contents_of_run(folder, open_prepared(folder, datasets, data), plugins)))


def write_comparison(comparison: Mapping[str, Any], to: Path, *, runs: Path, datasets: Path, plugins: Plugins) -> None:
    """`comparison`: as in comparison.json; `runs`: where the folders of its members are."""
    first = runs / next(iter(comparison["members"].values()))[0]
    write_text(to, page(contents_of_comparison(comparison, runs, open_prepared(first, datasets), plugins)))


def open_prepared(folder: Path, datasets: Path, data: Interactions | None = None) -> Prepared:
    """What a run was scored on."""
    resolved, about = read_json(folder / "resolved.json"), read_json(folder / "metrics.json")["data"]
    wanted = Data(**{key: value for key, value in resolved["data"].items() if key in Data.model_fields})
    place = datasets / wanted.use
    try:
        card = read_card(place)
        data = data or load_interactions(
            place,
            wanted.protocol,
            wanted.history,
            task=wanted.task,
            options=wanted.options,
            text=wanted.text,
            text_length=wanted.text_length,
        )
    except SrlError as error:
        return Prepared(missing=f"{error}. {error.hint}".removesuffix(" "))
    if data.sha256 != about["sha256"]:
        text = f"The dataset {wanted.use} that is prepared now is not the one that this run was scored on."
        return Prepared(missing=f"{text} Prepare that one again, then: srl report {folder.name}")
    return Prepared(data, card)
