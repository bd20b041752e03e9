"""Items by their number, with the id and the title they have in the person's own files."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from rapidfuzz import fuzz

from sasrec_llm.answering.words import Words
from sasrec_llm.data.interactions import Ints
from sasrec_llm.errors import UsageError

YEAR = re.compile(r"\s*\((\d{4})\)\s*$")
ARTICLE = re.compile(r"^(.*), (the|a|an|le|la|les|il|el|der|die|das)$")  # "Usual Suspects, The"
SHOWN = 5
LOOKED_AT = 500  # titles that are compared letter by letter


class Catalogue:
    """`ids` and `titles` of the items 1 to N; `likes` [N + 1] decides between items of one title."""

    def __init__(self, *, ids: Sequence[str], titles: Sequence[str], likes: Ints) -> None:
        self.ids = tuple(ids)
        self.titles = tuple(titles)
        self.likes = likes

    def __len__(self) -> int:
        return len(self.ids)

    def id_of(self, item: int) -> str:
        return self.ids[item - 1]

    def title_of(self, item: int) -> str:
        return self.titles[item - 1]

    def match(self, text: str) -> int:
        """The item somebody means: of that title, in full or without its year, or of that id; or the only one whose
        title has all the words. Of several with the same title, the one that is liked most."""
        asked, bare = plain(text), YEAR.sub("", text)
        called = (
            self._exactly.get(text.casefold())
            or self._plainly.get(asked)
            or (bare != text and self._plainly.get(plain(bare)))
            or self._by_id.get(text)
        )
        if called:
            return called
        found = (self._words.having(asked.split()) + 1).tolist()
        if len(found) == 1:
            return int(found[0])
        near = sorted(found, key=lambda item: -self.likes[item])[:SHOWN] if found else self.search(text, SHOWN)
        what = f"{len(found):,} titles have all the words of {text!r}" if found else f"no item is called {text!r}"
        titles = "; ".join(self.title_of(item) for item in near)
        meant = f"; did you mean: {titles}" if near else ""
        raise UsageError(f"{what}{meant}", hint="Give the title as it stands there, or the item's id")

    def search(self, text: str, count: int = 10) -> list[int]:
        """Items whose titles are most like the text, best first; of like ones those that are liked more."""
        asked = plain(text)
        votes = self._words.votes(asked.split())
        places = np.flatnonzero(votes)
        if len(places) > LOOKED_AT:
            worth = votes[places] + self.likes[1:][places] / (1 + self.likes.max())  # likes decide between equals
            places = places[np.argpartition(-worth, LOOKED_AT)[:LOOKED_AT]]

        def likeness(place: int) -> tuple[bool, float, int]:
            title = self._plain[place]
            begins = title.startswith(asked)
            return begins, begins or fuzz.WRatio(asked, title) * float(votes[place]), int(self.likes[place + 1])

        return [place + 1 for place in sorted(places.tolist(), key=likeness, reverse=True)[:count]]

    @cached_property
    def _plain(self) -> list[str]:
        return [plain(YEAR.sub("", title)) for title in self.titles]

    @cached_property
    def _words(self) -> Words:
        years = (YEAR.search(title) for title in self.titles)
        return Words([f"{name} {year[1]}" if year else name for name, year in zip(self._plain, years, strict=True)])

    @cached_property
    def _by_id(self) -> dict[str, int]:
        return {name: item for item, name in enumerate(self.ids, start=1)}

    @cached_property
    def _exactly(self) -> dict[str, int]:
        return self._most_liked([title.casefold() for title in self.titles])

    @cached_property
    def _plainly(self) -> dict[str, int]:
        return self._most_liked(self._plain)

    def _most_liked(self, names: Sequence[str]) -> dict[str, int]:
        """Each name's item; of several the one that is liked most."""
        order = np.argsort(-self.likes[1:], kind="stable")[::-1]  # who comes last stays
        return {names[place]: int(place) + 1 for place in order if names[place]}


def plain(text: str) -> str:
    """`Usual Suspects, The` -> `the usual suspects`; no accents, no punctuation."""
    bare = text.casefold()
    if not bare.isascii():
        bare = "".join(c for c in unicodedata.normalize("NFKD", bare) if not unicodedata.combining(c))
    turned = ARTICLE.sub(r"\2 \1", bare.strip())
    return " ".join(re.findall(r"\w+", turned))
