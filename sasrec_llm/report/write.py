"""`report.html` of one or more runs, from their folders and, where it is still there, the prepared dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sasrec_llm.data.card import Card, read_card
from sasrec_llm.data.interactions import Interactions, load_interactions
from sasrec_llm.durable import read_json, write_text
from sasrec_llm.errors import SrlError
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Data
from sasrec_llm.report.contents import contents
from sasrec_llm.report.page import page


def write_report(
    folders: Sequence[Path], to: Path, *, datasets: Path, plugins: Plugins, data: Interactions | None = None
) -> Path:
    """`datasets`: the folder of the prepared ones; `data`: what the runs were scored on, if it is open already."""
    data, card, missing = open_prepared(folders[0], datasets, data)
    write_text(to, page(contents(folders, plugins=plugins, data=data, card=card, missing=missing)))
    return to


def open_prepared(
    folder: Path, datasets: Path, data: Interactions | None = None
) -> tuple[Interactions | None, Card | None, str]:
    """What a run was scored on; without it, why not and how to get it back."""
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
            text=wanted.text,
            text_length=wanted.text_length,
        )
    except SrlError as error:
        return None, None, f"{error}. {error.hint}".removesuffix(" ")
    if data.sha256 != about["sha256"]:
        text = f"The dataset {wanted.use} that is prepared now is not the one that this run was scored on."
        return None, None, text + " Prepare that one again, then: srl report " + folder.name
    return data, card, ""
