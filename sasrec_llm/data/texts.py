"""What is said of an item: cleaned when a dataset is prepared, put together by a template when it is read."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sasrec_llm.recipe.data import TEXT_FIELD, TEXT_FIELDS

ENTITY = re.compile(r"&#?\w{1,32};")  # with its semicolon: "R&D" and "Q&A" are no entities
OPTIONAL = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
BLOCK = 50_000  # items cleaned at a time


def clean(text: str) -> str:
    """`Tom &amp;  Jerry` -> `Tom & Jerry`"""
    return " ".join(ENTITY.sub(lambda found: html.unescape(found[0]), text).split())


def clean_items(connection: Any) -> None:
    """Clean every text of the table `items`; an empty one becomes NULL."""
    (count,) = connection.execute("SELECT count(*) FROM items").fetchone()
    for name in TEXT_FIELDS:
        for start in range(1, count + 1, BLOCK):
            found = connection.execute(
                f"SELECT item, {name} FROM items WHERE item BETWEEN ? AND ? AND {name} IS NOT NULL",
                [start, start + BLOCK - 1],
            ).fetchall()
            changed = [
                (item, after or None) for item, before in found if (after := clean(before)) != before or not after
            ]
            if changed:
                connection.execute(
                    f"UPDATE items SET {name} = cleaned.text FROM (SELECT unnest(?::INTEGER[]) AS item, "
                    "unnest(?::VARCHAR[]) AS text) AS cleaned WHERE items.item = cleaned.item",
                    [[item for item, _ in changed], [text for _, text in changed]],
                )


def read_texts(connection: Any, template: str, length: int) -> tuple[str, ...]:
    """The text of every row of `items`, in the order of their ids."""
    names = ["title", *(name for name in dict.fromkeys(TEXT_FIELD.findall(template)) if name != "title")]
    rows = connection.execute(f"SELECT {', '.join(names)} FROM items ORDER BY item").fetchall()
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    return item_texts(dict(zip(names, columns, strict=True)), template, length)


def read_categories(connection: Any) -> tuple[str, ...]:
    """The categories of every row of `items`, in the order of their ids; "" where there are none."""
    rows = connection.execute("SELECT coalesce(category, '') FROM items ORDER BY item").fetchall()
    return tuple(category for (category,) in rows)


def item_texts(columns: Mapping[str, Sequence[str | None]], template: str, length: int) -> tuple[str, ...]:
    """`{title}[[ by {brand}]]`: a part in [[...]] is left out where a field in it is missing.

    Cut at `length` characters, between words where there are any. An item that the template says nothing of is named by
    its title.
    """
    parts = [
        (index % 2 == 1, TEXT_FIELD.findall(part), part) for index, part in enumerate(OPTIONAL.split(template)) if part
    ]

    def text(row: Mapping[str, str | None]) -> str:
        stated = [
            TEXT_FIELD.sub(lambda found: row[found[1]] or "", part)
            for optional, fields, part in parts
            if not (optional and any(not row[field] for field in fields))
        ]
        whole = " ".join("".join(stated).split()) or row["title"] or ""
        return whole if len(whole) <= length else whole[: length + 1].rsplit(" ", 1)[0][:length]

    names = list(columns)
    return tuple(text(dict(zip(names, row, strict=True))) for row in zip(*columns.values(), strict=True))
