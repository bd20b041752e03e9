"""The words of titles: which titles have them, and which words somebody may have meant."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from sasrec_llm.data.interactions import Ints

LIKE = 60  # of 100: words less alike are not meant
BEGUN = 0.9  # how much a word that begins as the asked one counts beside the word itself
READ = 12  # words of what was asked: none may take long
MEANT = 30  # words, of those that are like the asked one


class Words:
    """Titles are known by their place, from 0 on."""

    def __init__(self, titles: Sequence[str]) -> None:
        """Of titles in lower case without punctuation."""
        split = [title.split() for title in titles]
        self._titles = len(titles)
        self._known = sorted({word for words in split for word in words})
        number = {word: place for place, word in enumerate(self._known)}
        words = np.fromiter((number[word] for words in split for word in words), np.int64)
        lengths = np.array([len(words) for words in split])
        self._short: NDArray[np.float32] = np.maximum(lengths, 1).astype(np.float32) ** -0.25
        places = np.repeat(np.arange(len(split)), lengths)
        self._places = places[words.argsort(kind="stable")]  # of the first word's titles, then of the second's ...
        self._starts = np.concatenate([[0], np.bincount(words, minlength=len(number)).cumsum()])

    def having(self, words: Sequence[str]) -> Ints:
        """The titles that have all of the words."""
        found = [np.unique(self._of(word)) for word in words]
        if not found:
            return np.array([], np.int64)
        rarest, *others = sorted(found, key=len)
        for other in others:
            rarest = rarest[np.isin(rarest, other, assume_unique=True)]
        return rarest

    def votes(self, words: Sequence[str]) -> NDArray[np.float32]:
        """For each title, how many of the words it has, more for rare ones and in short titles; a word that begins so,
        or is spelled alike, counts less."""
        total = np.zeros(self._titles, np.float32)
        for word in dict.fromkeys(part for whole in words[:READ] for part in self._parted(whole)):
            share = np.zeros(self._titles, np.float32)
            first, behind = self._beginning(word)
            if first < behind:
                share[self._in(first, behind)] = BEGUN
                share[self._of(word)] = 1
            else:
                alike = process.extract(word, self._known, scorer=fuzz.ratio, score_cutoff=LIKE, limit=MEANT)
                for _, likeness, place in reversed(alike):
                    share[self._in(place, place + 1)] = likeness / 100
            total += share * np.log1p(self._titles / max(int(np.count_nonzero(share)), 1))
        return total * self._short

    def _parted(self, word: str) -> Sequence[str]:
        """`starwars` -> `star`, `wars`, where no word begins so."""
        first, behind = self._beginning(word)
        if first == behind:
            for at in range(2, len(word) - 1):
                if len(self._of(word[:at])) and len(self._of(word[at:])):
                    return word[:at], word[at:]
        return (word,)

    def _beginning(self, word: str) -> tuple[int, int]:
        """The known words that begin so: the first, and the first behind them."""
        return bisect_left(self._known, word), bisect_left(self._known, word + "\U0010ffff")

    def _of(self, word: str) -> Ints:
        place = bisect_left(self._known, word)
        known = place < len(self._known) and self._known[place] == word
        return self._in(place, place + known)

    def _in(self, first: int, behind: int) -> Ints:
        """Titles that have one of these words."""
        return self._places[self._starts[first] : self._starts[behind]]
