"""Task next-item: what is learned from, ranks, metrics of rankings, retrieve-then-rerank."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn import metrics as oracle

from sasrec_llm.data.interactions import Interactions, load_interactions
from sasrec_llm.data.own import OwnData
from sasrec_llm.data.prepare import prepare
from sasrec_llm.data.training import Training
from sasrec_llm.devices import Device
from sasrec_llm.errors import NonFiniteError
from sasrec_llm.evaluation import ranking, ranking_metrics, ranks
from sasrec_llm.evaluation.ranking import NextItemTask
from sasrec_llm.evaluation.ranks import rank_list, rank_products, rank_scores
from sasrec_llm.evaluation.statistics import value
from sasrec_llm.interfaces import Histories, Ranked
from sasrec_llm.plugins import Plugins
from sasrec_llm.strategies import ranking as ranking_of_catalogue
from sasrec_llm.strategies.products import first_products
from sasrec_llm.strategies.ranking import Reranked, best, first, unseen
from sasrec_llm.testing import histories
from tests.small_data import prepared

CPU = Device("cpu", False)


EVENTS = st.lists(
    st.tuples(st.integers(1, 12), st.integers(1, 9), st.integers(0, 1000)),
    min_size=60,
    max_size=90,
    unique_by=lambda row: (row[0], row[2]),  # no ties within a user, so that there is one right order
).filter(
    lambda rows: len({user for user, _, _ in rows}) > 10 and min(Counter(user for user, _, _ in rows).values()) > 2
)


def test_the_published_session_split_of_beauty(shared: Path, tmp_path: Path, builtins: Plugins) -> None:
    """22,363 sessions; the latest fifth leaves 4,468 questions once items unseen in train are out (2402.01339)."""
    from sasrec_llm.data.own import own_source

    own = OwnData(items=str(shared / "beauty" / "items.tsv"))
    source = shared / "beauty" / "interactions.tsv"
    prepare(own_source("beauty"), given=source, folder=tmp_path / "beauty", cache=tmp_path, own=own)
    data = load_interactions(tmp_path / "beauty", "session")
    assert [len(data.of(split)) for split in ("train", "valid", "test")] == [140_096, 500, 4_468]
    loo = load_interactions(tmp_path / "beauty", "leave-one-out")
    assert [len(loo.of(split)) for split in ("train", "valid", "test")] == [153_776, 22_363, 22_363]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(rows=EVENTS, length=st.integers(1, 6))
def test_windows_teach_every_like_of_train_but_the_first_once(
    rows: list[tuple[int, int, int]], length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = prepared(tmp_path_factory.mktemp("windows") / "events", rows, "user,item,timestamp")
    data = load_interactions(folder, "leave-one-out")
    batches = Training(data).batches("sequences", length, 0)
    taught: list[tuple[int, int]] = []
    for index in batches.index:
        batch: Any = batches.take(np.array([index]), 0)
        assert batch.items.shape[1] <= length + 1
        user, targets = int(batch.users[0]), batch.targets[0]
        assert (batch.items[0] != 0).all()
        taught += [(user, int(item)) for item in targets[targets != 0]]
    train = data.of("train")
    expected = []
    for user in range(1, data.n_users + 1):
        expected += [(user, int(item)) for item in data.rows.items[train[data.rows.users[train] == user]][1:]]
    assert sorted(taught) == sorted(expected)


def test_nothing_is_learned_from_test(demo: Interactions) -> None:
    training = Training(demo)
    with pytest.raises(ValueError, match="nothing may be learned from test"):
        training.rows("test")
    test = set(demo.of("test").tolist())
    assert not test & set(training.batches("rows", 5, 0).index.tolist())
    assert not test & set(training.batches("likes", 5, 0).index.tolist())


def test_drawn_items_are_never_the_right_one_and_any_other(demo: Interactions) -> None:
    batch: Any = Training(demo).batches("rows", 5, 500).take(demo.of("train")[:40], 1)
    drawn = batch.targets[:, 1:]
    assert not (drawn == batch.targets[:, :1]).any()
    assert drawn.min() == 1
    assert drawn.max() == demo.n_items
    assert batch.labels[:, 1:].sum() == 0
    again: Any = Training(demo).batches("rows", 5, 500).take(demo.of("train")[:40], 1)
    assert again.targets.equal(batch.targets), "the same step draws the same items"


SCORES = st.lists(st.lists(st.integers(-3, 3), min_size=8, max_size=8), min_size=1, max_size=6)  # few values: many ties


@given(scores=SCORES, chance=st.randoms(use_true_random=False))
def test_rank_is_the_middle_of_the_ties_among_unseen_items(scores: list[list[int]], chance: Any) -> None:
    table = torch.tensor([[0, *row] for row in scores]).float()
    seen = [chance.sample(range(1, 9), chance.randint(0, 4)) for _ in scores]
    targets = [chance.randint(1, 8) for _ in scores]
    padded = torch.zeros(len(scores), 4, dtype=torch.int64)
    for row, items in enumerate(seen):
        padded[row, : len(items)] = torch.tensor(items, dtype=torch.int64)
    ranks, top = rank_scores(table, padded, torch.tensor(targets), 8)
    for row, target in enumerate(targets):
        open_ = [item for item in range(1, 9) if item not in seen[row]]
        named = [int(item) for item in top[row] if item != 0]
        assert sorted(named) == open_
        values = [float(table[row, item]) for item in named]
        assert values == sorted(values, reverse=True)
        if target in seen[row]:
            assert ranks[row] == float("inf"), "an item the user had is no candidate, so it is a miss"
            continue
        mine = table[row, target]
        above = sum(bool(table[row, item] > mine) for item in open_)
        level = sum(bool(table[row, item] == mine) for item in open_) - 1
        assert ranks[row] == 1 + above + level / 2


@given(width=st.integers(2, 400), k=st.integers(1, 30), levels=st.sampled_from([2, 9, 10_000]), seed=st.integers(0, 99))
def test_the_first_are_those_of_a_whole_sort(width: int, k: int, levels: int, seed: int) -> None:
    chance = torch.Generator().manual_seed(seed)
    scores = torch.randint(levels, (5, width), generator=chance).float()
    scores[:, 0] = scores[0, 1:] = -torch.inf  # a row that knows no item at all
    found = first(scores, k)
    named = torch.where(found == 0, -torch.inf, scores.gather(1, found))
    assert named.equal(scores.sort(dim=1, descending=True).values[:, : min(k, width - 1)])
    assert all(len(set(row[row != 0].tolist())) == int((row != 0).sum()) for row in found), "no item twice"


@given(
    n=st.integers(1, 900), users=st.integers(1, 40), k=st.integers(1, 25), whole=st.booleans(), seed=st.integers(0, 99)
)
def test_products_rank_as_their_scores_do(n: int, users: int, k: int, whole: bool, seed: int) -> None:
    chance = torch.Generator().manual_seed(seed)
    vectors = torch.randn(users + n + 1, 4, generator=chance)
    if whole or users < ranks.LEAST:
        vectors = vectors.round()  # exact scores, and many ties
    u, items = vectors[:users], vectors[users:]
    items[n // 2 + 1 :] = items[1 : n - n // 2 + 1].clone()  # twins, which tie whatever the rounding
    seen = torch.randint(n + 1, (users, 7), generator=chance)
    targets = torch.randint(1, n + 1, (users,), generator=chance)
    scores = (u @ F.pad(items, (0, 0, 0, ranks.LEAST)).T)[:, : n + 1]  # twins of so few items would not tie
    wanted, best = rank_scores(scores, seen, targets, k)
    for cached in (2**18, 64 * users):
        ranks.CACHED = cached
        found, top = rank_products(u, items, seen, targets, k)
        assert found.equal(wanted)
        assert ((top == 0) == (best == 0)).all()
        assert torch.allclose(scores.gather(1, top), scores.gather(1, best), atol=1e-5)
        assert not (seen[:, :, None] == torch.where(top == 0, -1, top)[:, None]).any()


@given(
    n=st.integers(1, 900),
    users=st.integers(1, 9),
    k=st.integers(1, 25),
    known=st.integers(0, 40),
    seed=st.integers(0, 99),
)
def test_the_first_by_products_are_those_of_all_scores(n: int, users: int, k: int, known: int, seed: int) -> None:
    chance = torch.Generator().manual_seed(seed)
    u, items = torch.randn(users, 4, generator=chance).round(), torch.randn(n + 1, 4, generator=chance).round()
    seen = torch.randint(n + 1, (users, known), generator=chance)
    scores = u @ items.T
    wanted = first(unseen(scores, seen), k)
    found, values = first_products(u, items, seen, k)
    assert found.equal(wanted), "ties too"
    assert values[found != 0].equal(scores.gather(1, found)[found != 0])


def test_a_catalogue_whose_scores_are_too_many_is_recommended_from_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    class Vectors(Constant):
        def factors(self, given: Histories) -> tuple[torch.Tensor, torch.Tensor]:
            return users, items

    chance = torch.Generator().manual_seed(0)
    users, items = torch.randn(5, 8, generator=chance), torch.randn(300, 8, generator=chance)
    given = histories([[3], [7, 9], [], [250], [1, 2]], 4)
    at_once: list[torch.Tensor] = []
    by_tiles: list[torch.Tensor] = []
    for found, limit in ((at_once, 5 * 300), (by_tiles, 5 * 300 - 1)):
        monkeypatch.setattr(ranking_of_catalogue, "SCORED", limit)
        found += best(Vectors(), given, 7, given.items, 299)
    assert at_once[0].equal(by_tiles[0])
    assert torch.allclose(at_once[1], by_tiles[1], atol=1e-5)


class Constant:
    def score(self, given: Histories, candidates: torch.Tensor) -> torch.Tensor:
        return torch.zeros(candidates.shape)


def test_a_catalogue_whose_scores_are_too_many_is_ranked_alike(demo_folder: Path, monkeypatch: Any) -> None:
    class Vectors(Constant):
        def factors(self, given: Histories) -> tuple[torch.Tensor, torch.Tensor]:
            return table[given.users], table[: data.n_items + 1]

        def score_all(self, given: Histories) -> torch.Tensor:
            users, items = self.factors(given)
            return users @ items.T

    data = load_interactions(demo_folder, "leave-one-out")
    table = torch.randn(1 + max(data.n_items, data.n_users), 8, generator=torch.Generator().manual_seed(0))

    def answer() -> Any:
        rows = data.of("test")
        return NextItemTask(data, {}).answer(Vectors(), rows, history_length=5, device=CPU, batch_size=64, who="it")

    at_once = answer()
    monkeypatch.setattr(ranking, "SCORED", 1)
    by_tiles = answer()
    assert (at_once.ranks == by_tiles.ranks).all()
    assert (at_once.top == by_tiles.top).all()


def test_a_constant_score_finds_nothing(demo_folder: Path) -> None:
    data = load_interactions(demo_folder, "leave-one-out")
    task = NextItemTask(data, {"hr@10": lambda ranked: ranking_metrics.hr(ranked, 10)})
    rows = data.of("test")
    answers = task.answer(Constant(), rows, history_length=5, device=CPU, batch_size=64, who="constant")
    assert task.figures(answers, rows) == {"hr@10": 0.0}


def test_a_score_that_is_no_number_is_an_error_that_names_the_system(demo_folder: Path) -> None:
    class Broken(Constant):
        def score_all(self, given: Histories) -> torch.Tensor:
            return torch.full((len(given.users), data.n_items + 1), torch.nan)

    data = load_interactions(demo_folder, "leave-one-out")
    with pytest.raises(NonFiniteError, match="broken gave"):
        NextItemTask(data, {}).answer(
            Broken(), data.of("test")[:5], history_length=5, device=CPU, batch_size=4, who="broken"
        )


def test_a_list_ranks_by_place_and_misses_what_it_does_not_name() -> None:
    ranks, _ = rank_list(torch.tensor([[3, 1, 2], [4, 5, 0]]), torch.tensor([2, 1]))
    assert ranks.tolist() == [3.0, float("inf")]


@settings(max_examples=200, deadline=None)
@given(chance=st.integers(0, 10_000), k=st.sampled_from([1, 5, 10]), levels=st.sampled_from([2, 6, 30]))
def test_metrics_of_rankings_equal_scikit_learn(chance: int, k: int, levels: int) -> None:
    """Items tie with each other; with the target none does, for scikit-learn treats such a tie in its own way."""
    random = np.random.default_rng(chance)
    n_items, count = 30, 12
    scores = random.integers(0, levels, (count, n_items)).astype(float)
    targets = random.integers(1, n_items + 1, count)
    scores[np.arange(count), targets - 1] += random.choice([-0.5, 0.5], count)
    popularity = np.concatenate([[0], random.integers(0, 9, n_items)])
    table = torch.from_numpy(np.concatenate([np.zeros((count, 1)), scores], axis=1))
    ranks, top = rank_scores(table, torch.zeros(count, 1, dtype=torch.int64), torch.from_numpy(targets), 10)
    order = top.numpy()
    ranked = Ranked(np.arange(count), targets, ranks.numpy(), order, popularity)

    def mine(name: str) -> float:
        return value(getattr(ranking_metrics, name)(ranked, k))

    truth = np.zeros(scores.shape, bool)
    truth[np.arange(count), targets - 1] = True
    first = ranks.numpy() <= k
    assert mine("ndcg") == pytest.approx(oracle.ndcg_score(truth, scores, k=k), abs=1e-9)
    assert mine("hr") == pytest.approx(
        oracle.top_k_accuracy_score(targets, scores, k=k, labels=np.arange(1, n_items + 1)), abs=1e-9
    )
    precision = oracle.label_ranking_average_precision_score(truth[first], scores[first]) if first.any() else 0.0
    assert mine("mrr") == pytest.approx(precision * first.mean(), abs=1e-9)
    expected = [rankdata(-scores[row], method="average")[targets[row] - 1] for row in range(count)]
    assert ranks.tolist() == expected
    assert mine("coverage") == pytest.approx(len({*order[:, :k].ravel().tolist()}) / n_items)
    famous = sorted(range(1, n_items + 1), key=lambda item: (-popularity[item], item))[:k]
    fresh = [rank <= k and target not in famous for target, rank in zip(targets, expected, strict=True)]
    assert mine("serendipity") == pytest.approx(np.mean(fresh))
    total = max(popularity.sum(), 1)
    surprise = [-np.log2(max(popularity[item], 1) / total) for row in order for item in row[:k]]
    assert mine("novelty") == pytest.approx(np.mean(surprise))


def test_reranking_orders_the_first_and_leaves_the_rest_behind_them() -> None:
    class Retriever:
        history_length = 5

        def score_all(self, given: Histories) -> torch.Tensor:
            return torch.arange(11).float().expand(len(given.users), -1) * 3  # item 10 first

        def score(self, given: Histories, candidates: torch.Tensor) -> torch.Tensor:
            return self.score_all(given).gather(1, candidates)

    class Opposite:
        def __init__(self) -> None:
            self.asked: list[set[int]] = []

        def score(self, given: Histories, candidates: torch.Tensor) -> torch.Tensor:
            self.asked += [set(row.tolist()) for row in candidates]
            return -candidates.float()

    opposite = Opposite()
    both: Any = Reranked(retriever=Retriever(), scorer=opposite, n=3, n_items=10)  # type: ignore[arg-type]
    scores = both.score_all(histories([[10], [2], []], 5))
    _, top = rank_scores(scores, torch.tensor([[10], [2], [0]]), torch.tensor([1, 1, 1]), 10)
    assert opposite.asked == [{9, 8, 7}, {10, 9, 8}, {10, 9, 8}], "what the user had is not worth a look"
    assert top[0].tolist() == [7, 8, 9, 6, 5, 4, 3, 2, 1, 0]
    assert top[1].tolist() == [8, 9, 10, 7, 6, 5, 4, 3, 1, 0]
    assert top[2].tolist() == [8, 9, 10, 7, 6, 5, 4, 3, 2, 1]
