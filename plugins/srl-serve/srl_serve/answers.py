"""Questions as they are asked over HTTP, answered many at a time by a loaded run; one that fails fails alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sasrec_llm import LoadedRun, Question, Recommendation


@dataclass(frozen=True, slots=True)
class Ask:
    """About one person: the best `k` items, or the scores of `items`."""

    user: str | None = None
    history: tuple[str, ...] = ()
    k: int = 10
    explain: bool = False
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    found: Sequence[Recommendation]
    history: Sequence[int]  # the item that each title of the history was taken for


@dataclass(frozen=True, slots=True)
class Understood:
    """An ask whose titles are known."""

    place: int  # among those asked together
    ask: Ask
    question: Question
    history: Sequence[int]
    items: Sequence[int]


class Answers:
    def __init__(self, loaded: LoadedRun) -> None:
        self.loaded = loaded

    def __call__(self, asks: Sequence[Ask]) -> list[Answer | Exception]:
        answers: dict[int, Answer | Exception] = {}
        alike: dict[tuple[bool, bool], list[Understood]] = {}
        for place, ask in enumerate(asks):
            try:
                alike.setdefault((bool(ask.items), ask.explain), []).append(self._understood(place, ask))
            except Exception as error:
                answers[place] = error
        for (scores, _), some in alike.items():
            answers |= together(self._scores if scores else self._best, some)
        return [answers[place] for place in range(len(asks))]

    def _understood(self, place: int, ask: Ask) -> Understood:
        question = self.loaded.question(ask.user, ask.history)
        named = question.items[len(question.items) - len(ask.history) :]
        return Understood(place, ask, question, named, [self.loaded.catalogue.match(text) for text in ask.items])

    def _best(self, asked: Sequence[Understood]) -> list[Answer]:
        most = max(one.ask.k for one in asked)
        lists = self.loaded.answer([one.question for one in asked], most, explain=asked[0].ask.explain)
        return [Answer(found[: one.ask.k], one.history) for one, found in zip(asked, lists, strict=True)]

    def _scores(self, asked: Sequence[Understood]) -> list[Answer]:
        lists = self.loaded.score([one.question for one in asked], [one.items for one in asked])
        return [Answer(self._named(one.items, scores), one.history) for one, scores in zip(asked, lists, strict=True)]

    def _named(self, items: Sequence[int], scores: Sequence[float]) -> list[Recommendation]:
        names, likely = self.loaded.catalogue, self.loaded.probability
        return [
            Recommendation(names.id_of(item), names.title_of(item), score, likely(score))
            for item, score in zip(items, scores, strict=True)
        ]


def together(
    answer: Callable[[Sequence[Understood]], Sequence[Answer]], asked: Sequence[Understood]
) -> dict[int, Answer | Exception]:
    """All at once; where that fails, each by itself, so that one error is not everybody's."""
    try:
        return {one.place: found for one, found in zip(asked, answer(asked), strict=True)}
    except Exception as error:
        if len(asked) == 1:
            return {asked[0].place: error}
        return {place: found for one in asked for place, found in together(answer, [one]).items()}
