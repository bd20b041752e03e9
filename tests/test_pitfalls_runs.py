"""Pitfalls of training and of evaluation loops that have made published numbers wrong. All: test_pitfalls.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sasrec_llm.data.database import connect
from sasrec_llm.durable import read_json
from sasrec_llm.errors import DamagedError
from sasrec_llm.evaluation.examiner import Exam, Examiner
from sasrec_llm.evaluation.scoring import LikeTask
from sasrec_llm.experiment import run
from sasrec_llm.outcome import Outcome
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.runs import Workspace
from sasrec_llm.strategies.embedding import llm2sequential, seq_sim
from sasrec_llm.strategies.settings import LLM2SequentialSettings, LLMSeqSimSettings
from sasrec_llm.testing import context
from sasrec_llm.testing.world import N_ITEMS
from tests.small_data import prepared

STEPS, WARMUP, PEAK = 4, 10, 1e-2  # of an epoch; of the stage; learning rate
STAGE = {
    "objective": "like",
    "train": ["encoder"],
    "epochs": 5,
    "epoch_steps": STEPS,
    "batch_size": 16,
    "lr": PEAK,
    "warmup_steps": WARMUP,
    "valid_rows": 30,
}
SASREC = {"use": "sasrec", "width": 8, "heads": 1, "blocks": 1, "max_length": 5}


def rows(flip: bool = False) -> list[tuple[int, int, int, int]]:
    """1,000 rows, one a second; with `flip`, likes and dislikes of the last tenth change places."""
    chance = np.random.default_rng(1)
    liked = chance.random(1000) < 0.5
    liked[-101:] ^= flip
    return [(n % 37, int(chance.integers(1, 50)), 5 if liked[n] else 1, n) for n in range(1000)]


def do(place: Path, plugins: Plugins, **changes: Any) -> Outcome:
    recipe = {
        "name": "small",
        "data": {"use": "own"},
        "encoder": SASREC,
        "strategy": {"use": "encoder-only"},
        "stages": {"encoder": STAGE},
        "evaluate": {"batch_size": 7, "floors": ["item-mean"]},
        **changes,
    }
    where = Workspace(place / "data", place / "runs", place / "cache")
    return run(check_recipe(recipe, "test", plugins), "", where, plugins)


@dataclass
class Finished:
    outcome: Outcome
    asked: list[list[int]] = field(default_factory=list)  # moments of the rows of each evaluation


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, builtins: Plugins) -> Iterator[Finished]:
    """A run, and which rows it asked for."""
    place, asked = tmp_path_factory.mktemp("finished"), []
    prepared(place / "data" / "own", rows())
    begin, real = Examiner.ask, LikeTask.answer

    def begins(self: Examiner, exam: Exam) -> Any:
        asked.append([])
        return begin(self, exam)

    def answer(self: LikeTask, recommender: Any, batch: Any, **how: Any) -> Any:
        asked[-1] += self.data.rows.times[batch].tolist()
        return real(self, recommender, batch, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Examiner, "ask", begins)
        patch.setattr(LikeTask, "answer", answer)
        patch.setattr("sasrec_llm.evaluation.bootstrap.DRAWS", 50)
        patch.setattr("sasrec_llm.experiment.draw_page", lambda *_: None)
        yield Finished(do(place, builtins), asked)


def predictions(outcome: Outcome, split: str) -> dict[str, Any]:
    with connect() as connection:
        found: dict[str, Any] = connection.execute(
            'SELECT "user", item, label, probability FROM read_parquet(?) WHERE system = ? AND split = ? ORDER BY row',
            [str(outcome.run.folder / "predictions.parquet"), outcome.system, split],
        ).fetchnumpy()
    return found


@pytest.mark.parametrize(("split", "period"), [("valid", slice(799, 899)), ("test", slice(899, 1000))])
def test_test_is_test_and_validation_is_validation(split: str, period: slice, finished: Finished) -> None:
    """RecLLM's get_test_loader() returns the validation rows: its test figures were chosen on themselves."""
    given = sorted((user, at, item, int(rating >= 4)) for user, item, rating, at in rows()[period])
    found = predictions(finished.outcome, split)
    assert found["label"].tolist() == [label for *_, label in given]
    originals = np.unique([item for _, item, *_ in rows()])
    assert originals[found["item"] - 1].tolist() == [item for *_, item, _ in given]
    (table,) = (table for table in finished.outcome.tables[split] if table.subset == "all")
    assert table.rows == len(given)


def test_every_evaluation_is_of_the_same_rows_and_the_last_of_all(finished: Finished) -> None:
    """RecLLM scores 3,200 rows of an endless loader, others each time, and prints the best of these windows; others
    drop the last batch, or count rows twice."""
    epochs, test = [], []
    for asked in finished.asked:
        assert len(set(asked)) == len(asked), "no row twice"
        (test if min(asked) >= 899 else epochs).append(asked)
    windows = [asked for asked in epochs if len(asked) == STAGE["valid_rows"]]
    assert len(windows) == STAGE["epochs"]
    assert all(asked == windows[0] for asked in windows)
    assert len(test) == 2, "the system and the floor, once each"
    assert all(sorted(asked) == list(range(899, 1000)) for asked in test)
    assert np.isfinite(predictions(finished.outcome, "test")["probability"]).all()


def test_warm_up_counts_the_steps_of_the_stage(finished: Finished) -> None:
    """CoLLM's warm-up looks at the step within the epoch: the learning rate is a saw for 200 steps, then jumps."""
    lines = (finished.outcome.run.folder / "log.jsonl").read_text().splitlines()
    rates = [entry["lr"] for entry in map(json.loads, lines) if entry["event"] == "step"]
    assert len(rates) == STAGE["epochs"] * STEPS
    assert rates[: WARMUP + 1] == pytest.approx([PEAK * step / WARMUP for step in range(WARMUP + 1)])
    assert rates[WARMUP:] == sorted(rates[WARMUP:], reverse=True)


def test_nothing_is_chosen_on_test(tmp_path: Path, builtins: Plugins) -> None:
    """2402.01339's code keeps the best of five runs by their test figures, others their best epoch: the maximum of
    noise. Here the answers to test can all be turned round without any effect on what is kept."""
    kept = []
    stages = {"encoder": {**STAGE, "epochs": 8, "lr": 0.05, "patience": 3}}
    for name, flip in (("as-is", False), ("flipped", True)):
        prepared(tmp_path / name / "data" / "own", rows(flip))
        outcome = do(tmp_path / name, builtins, stages=stages)
        result = outcome.run.stage("encoder") / "result"
        facts = read_json(result / "stage.json")
        kept.append((facts["best"], facts["epochs"], (result / "encoder" / "model.safetensors").read_bytes()))
        labels = predictions(outcome, "test")["label"].tolist()
        assert sum(labels) == sum(rating >= 4 for _, _, rating, _ in rows(flip)[899:])
    assert kept[0] == kept[1]


def test_weights_are_not_loaded_with_another_number_of_heads(
    finished: Finished, tmp_path: Path, builtins: Plugins
) -> None:
    """RecLLM trains SASRec with one head and loads it with four: all shapes fit, and it is another function."""
    part = finished.outcome.run.stage("encoder") / "result" / "encoder"
    prepared(tmp_path / "data" / "own", rows())
    stages = {"encoder": {**STAGE, "epochs": 1, "load": {"encoder": str(part)}}}
    do(tmp_path, builtins, stages=stages)
    with pytest.raises(DamagedError, match=r"'heads': 1.* here it is .*'heads': 4"):
        do(tmp_path, builtins, stages=stages, encoder=SASREC | {"heads": 4})


class Texts:
    """A backbone that has a vector for each text."""

    def __init__(self, seed: int) -> None:
        self.vectors = torch.randn(N_ITEMS, 12, generator=torch.Generator().manual_seed(seed))

    def embed_texts(self, texts: Any) -> torch.Tensor:
        return self.vectors


def test_two_models_of_one_process_have_their_own_texts(builtins: Plugins) -> None:
    """2402.01339's code keeps embeddings on the class: a second model with other embeddings silently has the first."""
    sasrec = builtins.get("encoders", "sasrec")
    found: dict[str, list[torch.Tensor]] = {"sim": [], "sequential": []}
    for seed in (1, 2):
        world = context(backbone=Texts(seed))
        sim: Any = seq_sim.build(LLMSeqSimSettings(pca=None, similarity="dot"), world).recommender("")
        assert torch.equal(sim.vectors[1:], Texts(seed).vectors)
        started = context(backbone=Texts(seed), encoder=sasrec.make(sasrec.settings(width=8, heads=1), world))
        table = llm2sequential.build(LLM2SequentialSettings(), started).table.weight.detach().clone()
        found["sim"].append(sim.vectors)
        found["sequential"].append(table[1:])
    assert not any(torch.allclose(*pair) for pair in found.values())
