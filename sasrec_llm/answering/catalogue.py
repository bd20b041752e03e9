"""Items by their number, with the id and the title they have in the person's own files."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cached_property

from rapidfuzz import fuzz, process

from sasrec_llm.data.interactions import Ints
from sasrec_llm.errors import UsageError

YEAR = re.compile(r"\s*\(\d{4}\)\s*$")
ARTICLE = re.compile(r"^(.*), (the|a|an|le|la|les|il|el|der|die|das)$")  # "Usual Suspects, The"
SHOWN = 5


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
        asked = plain(text)
        ways = ([text.casefold()], self._exactly), ([asked, plain(YEAR.sub("", text))], self._plainly)
        for names, known in ways:
            for name in names:
                if found := known.get(name):
                    return max(found, key=lambda item: self.likes[item])
        if text in self._by_id:
            return self._by_id[text]
        wanted = asked.split()
        found = [item for item, words in enumerate(self._words, start=1) if wanted and all(w in words for w in wanted)]
        if len(found) == 1:
            return found[0]
        near = sorted(found, key=lambda item: -self.likes[item])[:SHOWN] if found else self.search(text, SHOWN)
        titles = "; ".join(self.title_of(item) for item in near)
        what = f"{len(found):,} titles have all the words of {text!r}" if found else f"no item is called {text!r}"
        raise UsageError(f"{what}; did you mean: {titles}", hint="Give the title as it stands there, or the item's id")

    def search(self, text: str, count: int = 10) -> list[int]:
        """Items whose titles are most like the text, best first; of like ones those that are liked more."""
        asked = plain(text)
        found = process.extract(asked, self._plain, scorer=fuzz.WRatio, limit=max(5 * count, 50))

        def likeness(hit: tuple[str, float, int]) -> tuple[float, int]:
            """ "M" is all in "aliem", and not what was meant."""
            title, score, place = hit
            whole = 100 if title.startswith(asked) else score * min(len(title) / max(len(asked), 1), 1)
            return whole, int(self.likes[place + 1])

        return [place + 1 for _, _, place in sorted(found, key=likeness, reverse=True)[:count]]

    @cached_property
    def _plain(self) -> list[str]:
        return [plain(YEAR.sub("", title)) for title in self.titles]

    @cached_property
    def _words(self) -> list[set[str]]:
        return [set(plain(title).split()) for title in self.titles]

    @cached_property
    def _by_id(self) -> dict[str, int]:
        return {name: item for item, name in enumerate(self.ids, start=1)}

    @cached_property
    def _exactly(self) -> dict[str, list[int]]:
        return _gathered([title.casefold() for title in self.titles])

    @cached_property
    def _plainly(self) -> dict[str, list[int]]:
        return _gathered(self._plain)


def _gathered(names: Sequence[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for item, name in enumerate(names, start=1):
        found.setdefault(name, []).append(item)
    return found


def plain(text: str) -> str:
    """`Usual Suspects, The` -> `the usual suspects`; no accents, no punctuation."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    turned = ARTICLE.sub(r"\2 \1", bare.strip())
    return " ".join(re.findall(r"\w+", turned))
