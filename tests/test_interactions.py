"""Splits and histories by property."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sasrec_llm.components import Source
from sasrec_llm.data.demo import GENRES
from sasrec_llm.data.interactions import SPLITS, Interactions, history_bounds, load_interactions
from sasrec_llm.data.own import OwnData
from sasrec_llm.data.prepare import prepare
from sasrec_llm.errors import DataError
from sasrec_llm.evaluation import metrics
from sasrec_llm.evaluation.statistics import value
from sasrec_llm.evaluation.subsets import MEANING, subset
from sasrec_llm.interfaces import Rows, Scored
from sasrec_llm.protocols import Subset

events = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 6), st.integers(1, 9), st.integers(0, 1)), min_size=1, max_size=40
)


@given(events, st.booleans())
def test_a_history_is_the_likes_before_and_nothing_else(found: list[tuple[int, int, int, int]], strict: bool) -> None:
    ordered = sorted(found, key=lambda event: event[:2])
    users, times, items, labels = (np.array(column) for column in zip(*ordered, strict=True))
    start, end = history_bounds(Rows(users, items, labels, times), strict=strict)
    liked = items[labels == 1]
    for row, (user, moment, _, _) in enumerate(ordered):
        expected = [
            item
            for before, (other, when, item, label) in enumerate(ordered)
            if label and other == user and (when < moment if strict else before < row)
        ]
        assert liked[start[row] : end[row]].tolist() == expected


def test_batches_are_the_last_likes_padded_on_the_left(demo: Interactions) -> None:
    rows = demo.of("valid")[::7]
    found = demo.histories(rows, 12)
    for index, row in enumerate(rows):
        history = demo.liked[demo.start[row] : demo.end[row]][-12:]
        assert found.items[index].tolist() == [0] * (12 - len(history)) + history.tolist()
        assert found.lengths[index] == demo.end[row] - demo.start[row]
        moments = demo.liked_at[demo.start[row] : demo.end[row]][-12:]
        assert found.liked_at is not None
        assert found.liked_at[index].tolist() == [0] * (12 - len(moments)) + moments.tolist()
        assert (moments < demo.rows.times[row]).all()
        of_user = demo.rows.users == demo.rows.users[row]
        events = set(zip(demo.rows.items[of_user].tolist(), demo.rows.times[of_user].tolist(), strict=True))
        assert events.issuperset(zip(history.tolist(), moments.tolist(), strict=True))
    cut, some = found.cut(3), found.pick(slice(5, 7))
    assert cut.items.equal(found.items[:, 9:])
    assert cut.liked_at is not None
    assert cut.liked_at.equal(found.liked_at[:, 9:])
    assert some.items.equal(found.items[5:7])
    assert some.users.equal(found.users[5:7])
    assert replace(found, liked_at=None).cut(3).to("cpu").liked_at is None
    assert found.last(3).equal(found.items[:, 9:])
    assert found.last(15).equal(found.items)


def test_temporal_split_is_by_time_and_complete(demo: Interactions) -> None:
    times = [demo.rows.times[demo.of(split)] for split in SPLITS[:3]]
    assert times[0].max() < times[1].min()
    assert times[1].max() < times[2].min()
    assert sum(map(len, times)) == len(demo.splits) == 20_000
    assert [round(len(part) / 20_000, 2) for part in times] == [0.8, 0.1, 0.1]


def test_ids_are_dense_from_one(demo: Interactions) -> None:
    assert np.unique(demo.rows.users).tolist() == list(range(1, demo.n_users + 1))
    assert np.unique(demo.rows.items).tolist() == list(range(1, demo.n_items + 1))
    assert len(demo.titles) == demo.n_items


def test_subsets_partition_the_rows(demo: Interactions) -> None:
    rows = demo.of("test")
    masks = {name: subset(name, demo, rows) for name in MEANING}
    assert set(MEANING) == set(Subset.__args__)  # type: ignore[attr-defined]
    assert masks["all"].all()
    assert (masks["warm"] ^ masks["not-warm"]).all()
    assert (masks["seen"] ^ masks["cold"]).all()
    assert (masks["cold"] == (masks["new-users"] | masks["new-items"])).all()
    assert (masks["both-new"] == (masks["new-users"] & masks["new-items"])).all()
    assert (masks["warm"] <= masks["warm-3"]).all()
    assert (masks["warm-3"] <= masks["seen"]).all()
    for name in ("warm", "cold", "new-users", "new-items"):
        assert masks[name].sum() > 10, f"the demo has too few {name} rows to show anything"


@pytest.mark.parametrize("distinct", [1, 2, 3, 4, 5])
def test_rows_of_one_second_stay_on_one_side(distinct: int, tmp_path: Path) -> None:
    folder = tmp_path
    chance = np.random.default_rng(distinct)
    times = np.concatenate([np.arange(0, 80), np.repeat(np.arange(80, 80 + 4 * distinct), 5)])
    lines = ["user,item,rating,time"]
    lines += [f"{chance.integers(1, 9)},{item},{4 + item % 2 * -2},{moment}" for item, moment in enumerate(times)]
    (folder / "own.csv").write_text("\n".join(lines))
    source = Source(name="own", summary="own", licence="-", read="sasrec_llm.data.readers:read_own")
    prepare(source, given=folder / "own.csv", folder=folder / "own", cache=folder, own=OwnData())
    data = load_interactions(folder / "own", "temporal")
    seen = [set(data.rows.times[data.of(split)].tolist()) for split in SPLITS[:3]]
    assert not seen[0] & seen[1]
    assert not seen[1] & seen[2]
    assert not seen[0] & seen[2]


def test_a_protocol_that_does_not_fit_says_so(tmp_path: Path) -> None:
    Path("own.csv").write_text("user,item,rating,time\n" + "".join(f"{i % 3},{i},{1 + i % 5},{i}\n" for i in range(50)))
    source = Source(name="own", summary="own", licence="-", read="sasrec_llm.data.readers:read_own")
    prepare(source, given=Path("own.csv"), folder=Path("data/own"), cache=tmp_path, own=OwnData())
    with pytest.raises(DataError, match=r'leaves no train rows.*protocol = "temporal"'):
        load_interactions(Path("data/own"), "collm")


def test_likes_alone_are_refused_with_the_way_out(tmp_path: Path) -> None:
    Path("own.csv").write_text("user,item,time\n" + "".join(f"{i % 3},{i},{i}\n" for i in range(50)))
    source = Source(name="own", summary="own", licence="-", read="sasrec_llm.data.readers:read_own")
    prepare(source, given=Path("own.csv"), folder=Path("data/own"), cache=tmp_path, own=OwnData())
    with pytest.raises(DataError, match="every train row is a like"):
        load_interactions(Path("data/own"), "temporal")


def test_in_the_demo_text_knows_new_items_and_the_sequence_knows_warm_ones(demo: Interactions) -> None:
    """A user's share of likes in the genre that the title names tells likes of films nobody has rated; the genre of the
    last liked film tells something of warm ones."""
    words = list(GENRES.values())
    genre = np.array(
        [-1] + [next(g for g, w in enumerate(words) if any(x in title for x in w)) for title in demo.titles]
    )
    test, rows = demo.of("test"), demo.rows
    affinity, follows = np.zeros(len(test)), np.zeros(len(test))
    for index, row in enumerate(test):
        before = slice(np.searchsorted(rows.users, rows.users[row]), row)
        same, liked = genre[rows.items[before]] == genre[rows.items[row]], rows.labels[before]
        affinity[index] = (liked[same].sum() + 1) / (same.sum() + 2)
        history = demo.liked[demo.start[row] : demo.end[row]]
        follows[index] = len(history) and genre[history[-1]] == genre[rows.items[row]]

    def auc(name: str, values: NDArray[np.float64]) -> float:
        mask = subset(name, demo, test)
        return value(metrics.auc(Scored(rows.users[test][mask], rows.labels[test][mask], values[mask])))

    assert subset("new-items", demo, test).sum() > 60
    assert auc("new-items", affinity) > 0.7
    assert auc("warm", follows) > 0.55
