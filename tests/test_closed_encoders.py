"""The encoders with a closed form, each beside the obvious way to compute it: no arrays, no batches."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from sasrec_llm.encoders.recency import WEIGHTING, WEIGHTING_SCORE
from sasrec_llm.encoders.sparse import largest
from sasrec_llm.errors import DamagedError
from sasrec_llm.interfaces import Rows
from sasrec_llm.plugins import Plugins
from sasrec_llm.testing import context, histories
from sasrec_llm.train.parts import load_part, save_part

KNOWN = Plugins()
KNOWN.load()
CLOSED = ("popularity", "popularity-7d", "popularity-30d", "markov", "item-knn", "sknn", "v-sknn")
N = 8
DAY = 86_400
Event = tuple[int, int, int, int]  # user, item, label, time
Scores = dict[int, float]


def make(name: str, n_items: int = N, **chosen: Any) -> Any:
    component = KNOWN.get("encoders", name)
    return component.make(component.settings.model_validate(chosen), context(n_items=n_items))


def as_rows(events: list[Event]) -> Rows:
    users, items, labels, times = np.array(sorted(events, key=lambda e: (e[0], e[3])), dtype=np.int64).reshape(-1, 4).T
    return Rows(users, items, labels, times)


def likes_of(events: list[Event]) -> dict[int, list[tuple[int, int]]]:
    """user -> (item, time) of what the user liked, oldest first."""
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for user, item, label, time in sorted(events, key=lambda e: (e[0], e[3])):
        if label:
            found[user].append((item, time))
    return found


def check(encoder: Any, events: list[Event], lists: list[list[int]], expected: Callable[[list[int]], Scores]) -> None:
    encoder.fit(as_rows(events))
    found = encoder.score_all(histories(lists, 12))
    assert found.shape == (len(lists), N + 1)
    for row, items in enumerate(lists):
        wanted = expected(items)
        assert found[row, 1:].tolist() == pytest.approx([wanted[item] for item in range(1, N + 1)], abs=1e-5)


event = st.tuples(st.integers(1, 6), st.integers(1, N), st.sampled_from([1, 1, 0]), st.integers(0, 4).map(DAY.__mul__))
events = st.lists(event, min_size=1, max_size=40)
lists = st.lists(st.lists(st.integers(1, N), max_size=12), min_size=1, max_size=4)


@settings(deadline=None)
@given(events, lists, st.sampled_from([None, 1.0, 2.0]), st.sampled_from([0.5, 1.0]))
def test_popularity(events: list[Event], lists: list[list[int]], days: float | None, smoothing: float) -> None:
    end = max(time for *_, time in events)
    counts = Counter(i for _, i, label, time in events if label and (days is None or time > end - days * DAY))
    logs = {item: math.log(counts[item] + smoothing) for item in range(1, N + 1)}
    middle = sum(logs.values()) / N
    encoder = make("popularity", days=days, smoothing=smoothing)
    check(encoder, events, lists, lambda _: {item: found - middle for item, found in logs.items()})


@pytest.mark.parametrize(("name", "best"), [("popularity", 1), ("popularity-30d", 2), ("popularity-7d", 3)])
def test_the_presets_count_back_from_the_last_moment_of_train(name: str, best: int) -> None:
    old, month, week = [(1, 1, 1, 0)] * 3, [(1, 2, 1, 71 * DAY)] * 2, [(1, 3, 1, 94 * DAY)]
    encoder = make(name)
    encoder.fit(as_rows([*old, *month, *week, (1, 4, 0, 100 * DAY)]))
    assert int(encoder.score_all(histories([[]], 1))[0, 1:].argmax()) + 1 == best


@settings(deadline=None)
@given(events, lists, st.sampled_from([0.1, 1.0, 10.0]), st.sampled_from([0.5, 1.0]))
def test_markov(events: list[Event], lists: list[list[int]], prior: float, smoothing: float) -> None:
    likes = likes_of(events)
    counts = Counter(item for found in likes.values() for item, _ in found)
    pairs = Counter((a, b) for found in likes.values() for (a, _), (b, _) in pairwise(found))
    share = {j: (counts[j] + smoothing) / (counts.total() + smoothing * N) for j in range(1, N + 1)}

    def expected(history: list[int]) -> Scores:
        if not history:
            return {j: math.log(share[j]) for j in share}
        i = history[-1]
        out = sum(n for (a, _), n in pairs.items() if a == i)
        p = {j: (pairs[i, j] + prior * share[j]) / (out + prior) for j in share}
        assert sum(p.values()) == pytest.approx(1)
        return {j: math.log(p[j]) for j in p}

    check(make("markov", prior=prior, smoothing=smoothing), events, lists, expected)


def weight(name: str, age: int, length: int) -> float:
    return {
        "same": 1.0,
        "linear": max(1 - 0.1 * (age - 1), 1e-4),
        "log": 1 / math.log10(age + 0.7),
        "div": (length - age + 1) / length,
        "quadratic": ((length - age + 1) / length) ** 2,
        "harmonic": 1 / age,
    }[name]


def weight_score(name: str, age: int) -> float:
    faded = {"linear": max(1 - 0.1 * age, 1e-4), "log": 1 / math.log10(age + 1.7), "div": 1 / age}
    return ({"same": 1.0, "quadratic": 1 / age**2} | faded)[name]


def ages_of(history: list[int], length: int) -> tuple[dict[int, int], int]:
    """item -> how long ago it came last, in items."""
    read = history[-length:]
    return {item: len(read) - place for place, item in enumerate(read)}, len(read)


@settings(deadline=None)
@given(
    events, lists, st.integers(1, 4), st.sampled_from([0.0, 2.0]), st.sampled_from(list(WEIGHTING)), st.integers(1, 5)
)
def test_item_knn(
    events: list[Event], lists: list[list[int]], neighbours: int, shrink: float, weighting: str, length: int
) -> None:
    fans: dict[int, set[int]] = {i: set() for i in range(1, N + 1)}
    for user, found in likes_of(events).items():
        for item, _ in found:
            fans[item].add(user)
    near: dict[int, Scores] = {}
    for i in fans:
        similar = {
            j: len(fans[i] & fans[j]) / (math.sqrt(len(fans[i]) * len(fans[j])) + shrink)
            for j in fans
            if i != j and fans[i] & fans[j]
        }
        near[i] = dict(sorted(similar.items(), key=lambda pair: (-pair[1], pair[0]))[:neighbours])

    def expected(history: list[int]) -> Scores:
        ages, read = ages_of(history, length)
        return {j: sum(weight(weighting, age, read) * near[i].get(j, 0) for i, age in ages.items()) for j in fans}

    encoder = make("item-knn", neighbours=neighbours, shrink=shrink, weighting=weighting, max_length=length)
    check(encoder, events, lists, expected)


def session_knn(events: list[Event], chosen: dict[str, Any]) -> Callable[[list[int]], Scores]:
    likes = likes_of(events)
    newest_first = sorted(likes, key=lambda user: (-likes[user][-1][1], user))
    sessions = [{item for item, _ in likes[user]} for user in newest_first]
    having = Counter(item for found in sessions for item in found)

    def expected(history: list[int]) -> Scores:
        ages, read = ages_of(history, chosen["max_length"])
        weights = {item: weight(chosen["weighting"], ages[item], read) for item in sorted(ages)}
        norm = math.sqrt(sum(w**2 for w in weights.values()))
        found = []
        for session in [session for session in sessions if session & ages.keys()][: chosen["sample"]]:
            similar = sum(w for item, w in weights.items() if item in session)
            if chosen["similarity"] == "cosine":
                similar /= norm * math.sqrt(len(session))
            found.append((similar, session))
        scores = dict.fromkeys(range(1, N + 1), 0.0)
        for similar, session in sorted(found, key=lambda pair: -pair[0])[: chosen["neighbours"]]:
            vote = similar * weight_score(chosen["weighting_score"], min(ages[item] for item in session & ages.keys()))
            for item in session:
                scores[item] += vote * (1 + chosen["idf"] * math.log(len(sessions) / having[item]))
        return scores

    return expected


sknn = {
    "neighbours": st.integers(1, 4),
    "sample": st.integers(1, 6),
    "similarity": st.sampled_from(["cosine", "dot"]),
    "max_length": st.integers(1, 12),
}
v_sknn = sknn | {
    "weighting": st.sampled_from(list(WEIGHTING)),
    "weighting_score": st.sampled_from(list(WEIGHTING_SCORE)),
    "idf": st.sampled_from([0.0, 0.5, 1.0]),
}


@settings(deadline=None)
@given(events, lists, st.fixed_dictionaries(sknn))
def test_sknn(events: list[Event], lists: list[list[int]], chosen: dict[str, Any]) -> None:
    plain = {"weighting": "same", "weighting_score": "same", "idf": 0.0}
    check(make("sknn", **chosen), events, lists, session_knn(events, chosen | plain))


@settings(deadline=None, max_examples=300)
@given(events, lists, st.fixed_dictionaries(v_sknn))
def test_v_sknn(events: list[Event], lists: list[list[int]], chosen: dict[str, Any]) -> None:
    check(make("v-sknn", **chosen), events, lists, session_knn(events, chosen))


def test_the_newest_shared_item_is_found_in_a_history_of_500() -> None:
    """Its age is read from a sum of powers of 4, which must neither overflow nor round."""
    for liked in ([1], [1, 2], [250], [250, 499, 500], [500], list(range(1, 501))):
        encoder = make("v-sknn", n_items=501, similarity="dot", weighting="same", idf=0, max_length=500)
        encoder.fit(as_rows([(1, item, 1, 0) for item in [*liked, 501]]))
        (score,) = encoder.score(histories([list(range(1, 501))], 500), torch.tensor([[501]])).flatten().tolist()
        assert score == pytest.approx(len(liked) / (501 - max(liked)), rel=1e-6)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), max_size=40), st.integers(1, 6))
def test_the_largest_of_each_row(pairs: list[tuple[int, int]], k: int) -> None:
    pairs.sort(key=lambda pair: pair[0])
    rows, values = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    expected = [
        at for row in range(5) for at in sorted(np.flatnonzero(rows == row), key=lambda at: (-values[at], at))[:k]
    ]
    assert largest(values.astype(float), rows, k).tolist() == sorted(expected)


def world(seed: int = 0) -> list[Event]:
    chance = np.random.default_rng(seed)
    return [(int(u), int(i), 1, int(t)) for u, i, t in chance.integers((1, 1, 0), (7, N + 1, 9 * DAY), (60, 3))]


@pytest.mark.parametrize("name", CLOSED)
def test_before_it_is_fitted_every_score_is_zero(name: str) -> None:
    assert not make(name).score_all(histories([[], [1, 2]], 5)).any()


@pytest.mark.parametrize("name", CLOSED)
def test_only_likes_count_and_the_last_fit_is_what_counts(name: str) -> None:
    likes = world()
    dislikes = [(user % 6 + 1, item % N + 1, 0, time) for user, item, _, time in likes]
    given = histories([[], [1], [2, 3, 2]], 5)
    once, twice = make(name), make(name)
    once.fit(as_rows(likes))
    twice.fit(as_rows(world(1)))
    before = twice.score_all(given)
    twice.fit(as_rows(likes + dislikes))
    assert torch.equal(once.score_all(given), twice.score_all(given))
    assert not torch.equal(before, twice.score_all(given))


@pytest.mark.parametrize("name", CLOSED)
def test_likes_of_nobody_can_be_fitted(name: str) -> None:
    encoder = make(name)
    encoder.fit(as_rows([(1, 1, 0, 0), (2, 3, 0, 5)]))
    assert torch.isfinite(encoder.score_all(histories([[], [1, 2]], 5))).all()


@pytest.mark.parametrize("name", CLOSED)
def test_what_is_loaded_replaces_what_was_fitted(name: str, tmp_path: Path) -> None:
    given = histories([[], [1], [2, 3, 2]], 5)
    one, other = make(name), make(name)
    one.fit(as_rows(world()))
    other.fit(as_rows(world(1)[:30]))
    other.score_all(given)
    save_part(tmp_path / "part", one, {})
    load_part(tmp_path / "part", other, {})
    assert torch.equal(one.score_all(given), other.score_all(given))


Change = Callable[[dict[str, torch.Tensor]], Any]


@pytest.mark.parametrize(
    "change",
    [
        lambda weights: weights.pop("sessions.places"),
        lambda weights: weights.update({"sessions.places": weights["sessions.places"][None]}),
        lambda weights: weights.update({"sessions.places": weights["sessions.places"][:-1]}),
        lambda weights: weights.update({"sessions.places": weights["sessions.places"] + N}),
        lambda weights: weights.update({"sessions.offsets": weights["sessions.offsets"].flip(0)}),
        lambda weights: weights.update({"boost": weights["boost"][:-1]}),
        lambda weights: weights.update({"more": weights["boost"].clone()}),
    ],
    ids=["missing", "two-dimensional", "too few", "no such item", "offsets", "another shape", "unexpected"],
)
def test_a_matrix_of_any_length_is_loaded_and_nothing_else_that_does_not_fit(change: Change, tmp_path: Path) -> None:
    encoder = make("v-sknn")
    encoder.fit(as_rows(world()))
    save_part(tmp_path / "part", encoder, {})
    path = tmp_path / "part" / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file({name: found.contiguous() for name, found in weights.items()}, path)
    with pytest.raises(DamagedError, match=r"fit|sparse matrix"):
        load_part(tmp_path / "part", make("v-sknn"), {})
