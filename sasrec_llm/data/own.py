"""How a person's own files are to be read: options of the command line, or the same keys in a small TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import Field

from sasrec_llm.components import Settings
from sasrec_llm.errors import DataError, RecipeError
from sasrec_llm.recipe_check import checked
from sasrec_llm.recipe_fit import Problems


class OwnData(Settings):
    name: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9._-]*$")
    interactions: str | None = None
    items: str | None = Field(None, description="a second file with a title for each item")
    user: str | None = Field(None, description="name of the column")
    item: str | None = Field(None, description="name of the column, in both files")
    time: str | None = Field(None, description="name of the column: seconds, milliseconds or dates")
    rating: str | None = Field(None, description="name of the column; without one, every row counts as liked")
    title: str | None = Field(None, description="name of the column")
    like_at: float | None = Field(None, description="ratings from this one on are likes")
    min_user: int = Field(0, ge=0, description="k-core: rows a user must have")
    min_item: int = Field(0, ge=0, description="k-core: rows an item must have")
    max_bad: float = Field(0.05, ge=0, le=1, description="largest share of lines that may be quarantined")


def read_own_toml(path: Path) -> OwnData:
    """Paths in the file are relative to it."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not TOML: {error}") from error
    problems: Problems = []
    own = checked(OwnData, table, "", problems)
    if own is None or not own.interactions:
        raise RecipeError(str(path), problems or [("interactions", "is required: the path of the file")])
    paths = {key: str(path.parent / value) for key in ("interactions", "items") if (value := getattr(own, key))}
    return own.model_copy(update={"name": own.name or path.stem, **paths})
