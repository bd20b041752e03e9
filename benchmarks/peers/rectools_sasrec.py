"""RecTools' SASRec, the same size on the same rows: trained target positions a second, seconds of training to a
validation NDCG@10, or users ranked a second."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.metrics import MRR, NDCG, HitRate, calc_metrics
from rectools.models import SASRecModel

sys.path.insert(0, str(Path(__file__).parent))
from movielens import rows

WINDOW, WINDOWS, WARM_UP = 5.0, 4, 5.0  # seconds
warnings.filterwarnings("ignore")


def table() -> pd.DataFrame:
    """A clock that ticks once for every row keeps their order within a second."""
    found = pd.DataFrame(rows(), columns=[Columns.User, Columns.Item]).astype(int)
    found[Columns.Weight] = 1
    found[Columns.Datetime] = pd.to_datetime(np.arange(len(found)), unit="s")
    return found


class Watch(Callback):
    """What it saw is the class's, since RecTools copies its trainer with all callbacks."""

    moments: ClassVar[list[float]] = []
    targets: ClassVar[list[int]] = []
    trained: ClassVar[list[float]] = []  # seconds of each epoch

    def __init__(self, *, steadily: bool) -> None:
        self.steadily = steadily

    def on_train_batch_end(self, trainer: Trainer, module: Any, outputs: Any, batch: Any, number: int) -> None:
        now = time.monotonic()
        self.moments.append(now)
        self.targets.append(int((batch["y"] != 0).sum()))
        if self.steadily and now - self.moments[0] > WARM_UP + WINDOW * WINDOWS:
            trainer.should_stop = True

    def on_train_epoch_start(self, trainer: Trainer, module: Any) -> None:
        self.began = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, module: Any) -> None:
        self.trained.append(time.monotonic() - self.began)

    def targets_per_second(self) -> float:
        edges = self.moments[0] + WARM_UP + WINDOW * np.arange(WINDOWS + 1)
        done = np.concatenate([[0], np.cumsum(self.targets)])[np.searchsorted(self.moments, edges)]
        return statistics.median(np.diff(done) / WINDOW)


def model(asked: argparse.Namespace, trainer: Trainer) -> SASRecModel:
    return SASRecModel(
        n_blocks=2, n_heads=1, n_factors=64, dropout_rate=0.2, session_max_len=asked.length, loss=asked.loss,
        n_negatives=1, lr=asked.lr, batch_size=128, epochs=400, item_net_block_types=(item_net(),),
        get_trainer_func=lambda: trainer,
    )  # fmt: skip


def item_net() -> Any:
    from rectools.models.nn.item_net import IdEmbeddingsItemNet

    return IdEmbeddingsItemNet


def trainer(**settings: Any) -> Trainer:
    return Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, min_epochs=1, **settings,
    )  # fmt: skip


def ranked(fitted: SASRecModel, known: pd.DataFrame, asked: pd.DataFrame) -> dict[str, float]:
    found = fitted.recommend(asked[Columns.User].unique(), Dataset.construct(known), k=10, filter_viewed=True)
    metrics = {"ndcg@10": NDCG(k=10), "hr@10": HitRate(k=10), "mrr@10": MRR(k=10)}
    # With one right item for each user, NDCG as RecTools divides it is 1 / log2(1 + rank) over the ideal of ten items.
    return dict(calc_metrics(metrics, reco=found, interactions=asked))


def ndcg(fitted: SASRecModel, known: pd.DataFrame, asked: pd.DataFrame) -> float:
    """Of one right item each, at 10, as everybody else has it."""
    found = fitted.recommend(asked[Columns.User].unique(), Dataset.construct(known), k=10, filter_viewed=True)
    hits = found.merge(asked[[Columns.User, Columns.Item]])
    return float((1 / np.log2(1 + hits[Columns.Rank])).sum() / len(asked))


def seconds_to(goal: float, asked: argparse.Namespace, train: pd.DataFrame, valid: pd.DataFrame) -> float:
    watch = Watch(steadily=False)
    fitted = model(asked, trainer(max_epochs=2, callbacks=[watch]))
    reached = 0.0
    while reached < goal:
        fitted.fit_partial(Dataset.construct(train), min_epochs=2, max_epochs=2)
        reached = ndcg(fitted, train, valid)
        print(f"{sum(watch.trained):.0f} s: {reached:.4f}", file=sys.stderr, flush=True)
    return sum(watch.trained)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", choices=["train", "evaluate"], default="train")
    parser.add_argument("--loss", default="softmax")
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--goal", type=float, help="NDCG@10 on validation to stop at; the figure is seconds")
    asked = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    every = table()
    place = every.groupby(Columns.User).cumcount(ascending=False)
    train, known, test = every[place >= 2], every[place >= 1], every[place == 0]
    if asked.goal is not None:
        print(json.dumps({"value": seconds_to(asked.goal, asked, train, every[place == 1])}))
        return
    if asked.what == "train":
        watch = Watch(steadily=True)
        model(asked, trainer(max_epochs=400, callbacks=[watch])).fit(Dataset.construct(train))
        print(json.dumps({"value": watch.targets_per_second()}))
        return
    fitted = model(asked, trainer(max_epochs=1, limit_train_batches=5)).fit(Dataset.construct(known))
    seconds = []
    for _ in range(3):
        began = time.monotonic()
        ranked(fitted, known, test)
        seconds.append(time.monotonic() - began)
    print(json.dumps({"value": test[Columns.User].nunique() / statistics.median(seconds[1:])}))


if __name__ == "__main__":
    main()
