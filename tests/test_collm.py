"""The published split, on the real data: counts, histories and floors that the literature can be held against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sasrec_llm.data.database import connect
from sasrec_llm.data.interactions import SPLITS, Interactions, load_interactions
from sasrec_llm.data.prepare import prepare
from sasrec_llm.encoders.floors import BiasRegression, ItemMean
from sasrec_llm.evaluation import metrics
from sasrec_llm.evaluation.metrics import uauc_users
from sasrec_llm.evaluation.scoring import probability
from sasrec_llm.evaluation.statistics import value
from sasrec_llm.evaluation.subsets import subset
from sasrec_llm.interfaces import Scored
from sasrec_llm.plugins import Plugins


@pytest.fixture(scope="session")
def collm(collm_folder: Path) -> Interactions:
    return load_interactions(collm_folder, "collm")


def test_rows_of_each_split(collm: Interactions) -> None:
    assert [len(collm.of(split)) for split in SPLITS[:3]] == [33_891, 10_401, 7_331]
    assert (collm.n_users, collm.n_items) == (838, 3_255)
    means = [collm.rows.labels[collm.of(split)].mean() for split in SPLITS[:3]]
    assert [round(float(mean), 4) for mean in means] == [0.5368, 0.5283, 0.5454]


def test_the_month_rule_finds_the_published_split(collm_folder: Path, collm: Interactions) -> None:
    """Months since the first rating of the whole ML-1M (April 2000); the split file itself starts in month 14."""
    with connect() as connection:
        months = connection.execute(
            'SELECT 12 * year(make_timestamp("timestamp" * 1000000)) + month(make_timestamp("timestamp" * 1000000)) '
            '- (12 * 2000 + 4) AS month, split FROM read_parquet(?) ORDER BY "user", "timestamp", line',
            [str(collm_folder / "interactions.parquet")],
        ).fetchnumpy()
    month = np.asarray(months["month"])
    rule = np.where(month <= 23, 0, np.where(month <= 28, 1, 2))
    assert month.min() >= 14
    assert month.max() <= 33
    assert np.array_equal(rule, np.asarray(months["split"]))


def test_every_history_is_the_published_one(shared: Path, collm: Interactions) -> None:
    with connect() as connection:
        found = connection.execute(
            """SELECT "user", item, history FROM read_parquet(?)
            ORDER BY "user", "timestamp", CASE split WHEN 'train' THEN 0 WHEN 'valid' THEN 1 ELSE 2 END, "row" """,
            [str(shared / "collm-ml-1m" / "interactions.parquet")],
        ).fetchall()
    assert len(found) == len(collm.splits)
    wrong = 0
    for row, (user, item, history) in enumerate(found):
        mine = collm.item_ids[collm.liked[collm.start[row] : collm.end[row]]].tolist()
        same = user == collm.user_ids[collm.rows.users[row]] and item == collm.item_ids[collm.rows.items[row]]
        wrong += not (same and mine == history)
    assert wrong == 0


@pytest.mark.parametrize(
    ("name", "rows", "users"),
    [
        ("all", 7_331, 224),
        ("warm", 3_522, 151),
        ("not-warm", 3_809, 96),
        ("warm-3", 3_682, 158),
        ("seen", 4_153, 176),
        ("cold", 3_178, 51),
        ("both-new", 26, 4),
        ("new-users", 3_111, None),
        ("new-items", 93, None),
    ],
)
def test_rows_and_users_of_each_subset(collm: Interactions, name: str, rows: int, users: int | None) -> None:
    test = collm.of("test")
    mask = subset(name, collm, test)
    assert mask.sum() == rows
    if users is not None:
        mine = collm.take(test[mask])
        assert uauc_users(Scored(mine.users, mine.labels, np.zeros(rows))) == users


def test_the_floors_are_those_of_the_literature(collm: Interactions) -> None:
    test = collm.of("test")
    wanted = {"mean": (0.7094, 0.6816, 0.6211), "regression": (0.7365, 0.6834, 0.5996)}
    models = {
        "mean": ItemMean(n_users=collm.n_users, n_items=collm.n_items, prior_rows=5.0),
        "regression": BiasRegression(n_users=collm.n_users, n_items=collm.n_items, inverse_l2=1.0),
    }
    for name, model in models.items():
        model.fit(collm.take(collm.of("train")))
        batch = collm.examples(test, 1)
        logits = model.score(batch.histories, batch.targets)[:, 0].double().numpy()
        mine = Scored(collm.rows.users[test], collm.rows.labels[test], probability(logits))
        found = tuple(value(measure(mine)) for measure in (metrics.auc, metrics.uauc, metrics.logloss))
        assert found == pytest.approx(wanted[name], abs=0.003)


def test_ml_1m_from_its_zip(shared: Path, builtins: Plugins, tmp_path: Path) -> None:
    archive = shared / "ml-1m-reconstructed" / "ml-1m.zip"
    card = prepare(builtins.get("sources", "ml-1m"), given=archive, folder=tmp_path / "ml-1m", cache=tmp_path)
    assert (card.read, card.kept, card.merged, card.quarantined) == (1_000_209, 1_000_209, 0, 0)
    assert (card.users, card.items, card.untitled) == (6_040, 3_706, 0)
    assert sum(card.protocols["temporal"]) == 1_000_209
    with connect() as connection:
        (title,) = connection.execute(
            "SELECT title FROM read_parquet(?) WHERE original = '73'", [str(tmp_path / "ml-1m" / "items.parquet")]
        ).fetchone()
    assert title == "Misérables, Les (1995)"


def test_ml_100k_from_its_folder(shared: Path, builtins: Plugins, tmp_path: Path) -> None:
    card = prepare(
        builtins.get("sources", "ml-100k"), given=shared / "ml-100k", folder=tmp_path / "ml-100k", cache=tmp_path
    )
    assert (card.kept, card.users, card.items, card.untitled) == (100_000, 943, 1_682, 0)


def test_beauty_as_own_data(shared: Path, tmp_path: Path) -> None:
    from sasrec_llm.data.own import OwnData, own_source

    own = OwnData(items=str(shared / "beauty" / "items.tsv"))
    card = prepare(
        own_source("beauty"),
        given=shared / "beauty" / "interactions.tsv",
        folder=tmp_path / "beauty",
        cache=tmp_path,
        own=own,
    )
    assert card.read == card.kept + card.merged + card.quarantined == 198_502
    assert (card.users, card.items, card.untitled) == (22_363, 12_101, 7)
