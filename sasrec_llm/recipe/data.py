"""The table `[data]` of a recipe."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from sasrec_llm.components import Settings, Task
from sasrec_llm.protocols import FOLDS, Protocol

HistoryRule = Literal["collm", "strict"]
TEXT_FIELDS = ("title", "brand", "category", "description")  # what may be known of an item
TEXT_FIELD = re.compile(r"\{(\w+)\}")


class Data(Settings):
    """`[data]`: which prepared dataset, and how it is split."""

    use: str = Field(description="name of a prepared dataset")
    protocol: Protocol = Field("temporal", description="how rows are split into train, valid and test")
    task: Task | None = Field(
        None, description="like: will the user like it? next-item: what comes next? default: the protocol's"
    )
    history: HistoryRule | None = Field(
        None, description="collm: all earlier likes, also of the same second; strict: earlier seconds only"
    )
    folds: int | None = Field(None, ge=3, description=f"of k-fold: how many parts users are put into; default {FOLDS}")
    fold: int | None = Field(None, ge=1, description="of k-fold: the part for test; the next one is for validation")
    months: tuple[float, float, float, float] | None = Field(
        None,
        description="of collm: where train begins, validation begins, test begins and test ends, in months since the "
        "first rating; 11.5 is the middle row of the twelfth; default [14, 24, 29, 34]",
    )
    asks: Literal["each", "first"] | None = Field(
        None, description="of temporal next-item: each like from the cut on, or every user's first alone; default each"
    )
    text: str = Field(
        "{title}",
        description="what is said of an item, of title, brand, category, description; a part in [[...]] is left out "
        "where a field in it is missing",
    )
    text_length: int = Field(300, ge=1, description="characters of an item's text; what is longer is cut at a word")

    @field_validator("text")
    @classmethod
    def _names_fields(cls, text: str) -> str:
        named = TEXT_FIELD.findall(text)
        unknown = [name for name in named if name not in TEXT_FIELDS]
        if unknown or not named:
            what = f"has no field {{{unknown[0]}}}" if unknown else "names no field"
            raise ValueError(f"{what}; there are {', '.join(f'{{{name}}}' for name in TEXT_FIELDS)}")
        return text

    @field_validator("months")
    @classmethod
    def _months_ascend(cls, months: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if months and not 0 <= months[0] < months[1] < months[2] < months[3]:
            raise ValueError("must ascend from 0 on, as [14, 24, 29, 34] does")
        return months

    @property
    def options(self) -> dict[str, int | str]:
        """What the split depends on beside rows, protocol and task."""
        if self.protocol == "k-fold":
            return {"folds": self.folds or FOLDS, "fold": self.fold or 0}
        if self.protocol == "collm" and self.months:
            return {"months": ",".join(map(str, self.months))}
        return {"asks": "first"} if self.protocol == "temporal" and self.asks == "first" else {}
