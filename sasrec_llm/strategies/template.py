"""A prompt template as a list of pieces.

`{history}`, `{user}`, `{target}` and `{item}` are the fields; `[[...]]` is left out of prompts without slots. The
history must come before the target, so that all candidates of a user share their prefix.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from sasrec_llm.errors import UsageError

FIELDS = ("history", "user", "target", "item")
SLOTS = ("user", "item")
FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Piece:
    """Literal text, or a field with the space that stands before it."""

    text: str
    field: str = ""


def read_template(name: str) -> str:
    if name == "paper":
        return (files("sasrec_llm.strategies") / "templates" / "paper.txt").read_text(encoding="utf-8")
    path = Path(name)
    if not path.is_file():
        raise UsageError(f"there is no prompt template {name}", hint="Give the path of a text file, or `paper`")
    return path.read_text(encoding="utf-8")


def parse(template: str, *, slots: bool) -> list[Piece]:
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
    fields = [piece.field for piece in pieces if piece.field]
    wanted = [field for field in FIELDS if slots or field not in SLOTS]
    if sorted(fields) != sorted(wanted):
        raise UsageError(f"the prompt template must name each of {wanted} once; it names {fields}")
    if fields.index("history") > fields.index("target") or (slots and fields.index("user") > fields.index("target")):
        raise UsageError(
            "the prompt template must name history and user before the target, so that candidates share a prefix"
        )
    if not pieces[-1].text.strip():
        raise UsageError("the prompt template must end with text, after which the answer follows")
    return [piece for piece in pieces if piece.field or piece.text]
