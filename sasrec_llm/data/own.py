"""How a person's own files are to be read: options of the command line, or the same keys in a small TOML."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field

from sasrec_llm.components import Settings, Source
from sasrec_llm.errors import DataError, RecipeError
from sasrec_llm.recipe.check import checked
from sasrec_llm.recipe.fit import Problems


class OwnData(Settings):
    name: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9._-]*$")
    summary: str = "own data"
    licence: str = "yours"
    interactions: str | None = None
    items: str | None = Field(None, description="a second file with a title for each item")
    user: str | None = Field(None, description="name of the column")
    item: str | None = Field(None, description="name of the column, in both files")
    time: str | None = Field(None, description="name of the column: seconds, milliseconds or dates")
    order: str | None = Field(None, description="name of a column that numbers a user's rows, where there are no times")
    rating: str | None = Field(None, description="name of the column; without one, every row counts as liked")
    title: str | None = Field(None, description="name of the column")
    brand: str | None = Field(None, description="name of the column")
    category_column: str | None = Field(None, description="name of the column")
    description: str | None = Field(None, description="name of the column")
    category: str | None = Field(None, pattern=r"^\w+$", description="of the source `amazon`, such as Beauty")
    release: Literal["2014", "2018", "2023"] | None = Field(None, description="of the source `amazon`")
    since: date | None = Field(None, description="rows before this day (UTC) are left out")
    until: date | None = Field(None, description="rows from this day (UTC) on are left out")
    like_at: float | None = Field(None, description="ratings from this one on are likes")
    min_user: int = Field(0, ge=0, description="k-core: rows a user must have")
    min_item: int = Field(0, ge=0, description="k-core: rows an item must have")
    once: bool = Field(False, description="k-core: look once, though rows that leave may leave others with too few")
    max_id: int | None = Field(
        None, ge=1, description="only the first so many users and items, in order of first appearance, after the k-core"
    )
    memory: str | None = Field(
        None,
        pattern=r"^\d+(\.\d+)?\s*[KMGT]i?B$",
        description="what DuckDB may take, such as 500MB; the rest spills to disk",
    )
    max_bad: float = Field(0.05, ge=0, le=1, description="largest share of lines that may be quarantined")

    @property
    def clock(self) -> Literal["time", "position"]:
        return "position" if self.order else "time"


AMAZON_ONLY = frozenset({"category", "release"})
OWN_ONLY = AMAZON_ONLY | {  # what can be said of a person's own files, and of a source's only where it says so
    "items", "user", "item", "time", "order", "rating", "title", "brand", "category_column", "description"
}  # fmt: skip


def read_own_toml(path: Path, folder: Path | None = None) -> OwnData:
    """Paths in the file are relative to `folder`, or else to the file itself."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not TOML: {error}") from error
    problems: Problems = []
    own = checked(OwnData, table, "", problems)
    if own is None or not own.interactions:
        raise RecipeError(str(path), problems or [("interactions", "is required: the path of the file")])
    paths = {
        key: str((folder or path.parent) / value) for key in ("interactions", "items") if (value := getattr(own, key))
    }
    return own.model_copy(update={"name": own.name or path.stem, **paths})


def own_source(name: str, summary: str = "own data", licence: str = "yours") -> Source:
    read = "sasrec_llm.data.readers:read_own"
    return Source(name=name, summary=summary, licence=licence, read=read, options=OWN_ONLY - AMAZON_ONLY)
