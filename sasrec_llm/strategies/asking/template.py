"""A prompt template as a list of pieces.

`{history}`, `{user}`, `{target}` and `{item}` are the fields of a question about an item; `[[...]]` is left out of
prompts without slots. The history must come before the target, so that all candidates of a user share their prefix.
A prompt that a title is written behind has the field `{history}` alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from sasrec_llm.errors import UsageError

FIELDS = ("history", "user", "target", "item")
SLOTS = ("user", "item")
FIELD = re.compile(r"\{(\w+)\}")
SHIPPED = {"paper": "paper.txt", "next-title": "next_title.txt"}


@dataclass(frozen=True, slots=True)
class Piece:
    """Literal text, or a field with the space that stands before it."""

    text: str
    field: str = ""


def read_template(name: str) -> str:
    if name in SHIPPED:
        return (files("sasrec_llm.strategies.asking") / "templates" / SHIPPED[name]).read_text(encoding="utf-8")
    path = Path(name)
    if not path.is_file():
        raise UsageError(
            f"there is no prompt template {name}", hint=f"Give the path of a text file, or one of: {', '.join(SHIPPED)}"
        )
    return path.read_text(encoding="utf-8")


def parse(template: str, *, slots: bool, fields: Sequence[str] = FIELDS) -> list[Piece]:
    """Cut a template at its fields. A space before a field goes to the field: " Heat" is how tokenizers see a word."""
    text = re.sub(r"\[\[(.*?)\]\]", r"\1" if slots else "", template.rstrip("\n"), flags=re.DOTALL)
    pieces: list[Piece] = []
    for index, part in enumerate(FIELD.split(text)):
        if index % 2:
            space = bool(pieces) and pieces[-1].text.endswith(" ")
            if space:
                pieces[-1] = Piece(pieces[-1].text[:-1])
            pieces.append(Piece(" " if space else "", part))
        else:
            pieces.append(Piece(part))
    found = [piece.field for piece in pieces if piece.field]
    wanted = [field for field in fields if slots or field not in SLOTS]
    if sorted(found) != sorted(wanted):
        raise UsageError(f"the prompt template must name each of {wanted} once; it names {found}")
    if "target" in found and {"history", "user"} & set(found[found.index("target") :]):
        raise UsageError(
            "the prompt template must name history and user before the target, so that candidates share a prefix"
        )
    if not pieces[-1].text.strip():
        raise UsageError("the prompt template must end with text, after which the answer follows")
    return [piece for piece in pieces if piece.field or piece.text]
