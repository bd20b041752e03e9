"""The floor `stacked` on the published split, with the genres of MovieLens-1M: figures to hold it to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sasrec_llm.components import BuildContext
from sasrec_llm.data.interactions import load_interactions
from sasrec_llm.data.own import OwnData
from sasrec_llm.data.prepare import prepare
from sasrec_llm.data.training import Training
from sasrec_llm.encoders.settings import StackedSettings
from sasrec_llm.encoders.stacked.model import build
from sasrec_llm.errors import DataError
from sasrec_llm.evaluation import metrics
from sasrec_llm.evaluation.scoring import probability
from sasrec_llm.evaluation.statistics import value
from sasrec_llm.interfaces import Scored
from sasrec_llm.plugins import Plugins

# AUC, UAUC, LogLoss of seed 1. The highest AUC published for this split is .7606, of a language model of 7B parameters.
WANTED = {"valid": (0.7595, 0.6975, 0.5817), "test": (0.7652, 0.6933, 0.5723)}


def test_stacked_with_genres(shared: Path, builtins: Plugins, tmp_path: Path) -> None:
    folder, films = tmp_path / "collm-ml-1m", OwnData(items=str(shared / "ml-1m-reconstructed" / "ml-1m.zip"))
    source = builtins.get("sources", "collm-ml-1m")
    card = prepare(source, given=shared / "collm-ml-1m", folder=folder, cache=tmp_path, own=films)
    assert card.described["category"] == card.items == 3_255, "every title is found"
    data = load_interactions(folder, "collm")
    known = BuildContext(
        n_users=data.n_users,
        n_items=data.n_items,
        item_texts=data.titles,
        item_categories=data.categories,
        seed=1,
        cache=tmp_path,
        data=Training(data),
    )
    stacked = build(StackedSettings(), known)
    stacked.fit(data.take(data.of("train")))
    for split, wanted in WANTED.items():
        rows = data.of(split)
        batch = data.examples(rows, stacked.history_length)
        logits = stacked.score(batch.histories, batch.targets)[:, 0].double().numpy()
        mine = Scored(data.rows.users[rows], data.rows.labels[rows], probability(logits))
        found = [value(measure(mine)) for measure in (metrics.auc, metrics.uauc, metrics.logloss)]
        assert np.array(found) == pytest.approx(wanted, abs=0.003)


def test_a_file_of_films_that_is_none_is_refused(shared: Path, builtins: Plugins, tmp_path: Path) -> None:
    source, given = builtins.get("sources", "collm-ml-1m"), shared / "collm-ml-1m"
    (tmp_path / "movies.dat").write_text("1::Another Film (1999)::Drama|Comedy\n", encoding="latin-1")
    for items, text in (("nowhere.zip", r"there is no nowhere\.zip"), (str(tmp_path), "has none of the titles")):
        with pytest.raises(DataError, match=text):
            prepare(source, given=given, folder=tmp_path / "collm", cache=tmp_path, own=OwnData(items=items))
        assert not (tmp_path / "collm").exists()
