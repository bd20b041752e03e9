"""RecBole's SASRec, the same size on the same rows: trained targets a second, or users ranked a second.

It trains one row for each prefix, and does not mask what a user has seen."""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.trainer import Trainer
from recbole.utils import get_model, init_seed

sys.path.insert(0, str(Path(__file__).parent))
from movielens import rows
from pace import Pace

logging.disable(logging.WARNING)


def write(folder: Path) -> None:
    """As a RecBole atomic file; a clock that ticks once a row keeps the order within a second."""
    (folder / "ml").mkdir()
    lines = [f"{user}\t{item}\t{tick}" for tick, (user, item) in enumerate(rows())]
    head = "user_id:token\titem_id:token\ttimestamp:float"
    (folder / "ml" / "ml.inter").write_text("\n".join([head, *lines]) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", choices=["train", "evaluate"], default="train")
    parser.add_argument("--length", type=int, default=50)
    asked = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    sys.argv = sys.argv[:1]
    with tempfile.TemporaryDirectory() as scratch:
        write(Path(scratch))
        settings = {
            "data_path": scratch, "dataset": "ml", "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
            "MAX_ITEM_LIST_LENGTH": asked.length, "n_layers": 2, "n_heads": 1, "hidden_size": 64, "inner_size": 64,
            "loss_type": "CE", "train_neg_sample_args": None, "train_batch_size": 128, "eval_batch_size": 400_000,
            "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"},
            "metrics": ["NDCG", "Hit", "MRR"], "topk": [10], "valid_metric": "NDCG@10", "use_gpu": False,
            "show_progress": False, "state": "ERROR", "checkpoint_dir": scratch,
        }  # fmt: skip
        config = Config(model="SASRec", dataset="ml", config_dict=settings)
        init_seed(0, True)
        train, _, test = data_preparation(config, create_dataset(config))
        model = get_model("SASRec")(config, train.dataset)
        if asked.what == "evaluate":
            trainer, seconds = Trainer(config, model), []
            for _ in range(4):
                began = time.monotonic()
                trainer.evaluate(test, load_best_model=False)
                seconds.append(time.monotonic() - began)
            print(json.dumps({"value": len(test.dataset) / statistics.median(seconds[1:])}))
            return
        optimiser, pace, going = torch.optim.Adam(model.parameters(), lr=1e-3), Pace(), True
        while going:
            for batch in train:
                optimiser.zero_grad()
                loss = model.calculate_loss(batch)
                loss.backward()
                optimiser.step()
                going = pace.step(len(batch))
                if not going:
                    break
        print(json.dumps({"value": pace.targets_per_second()}))


if __name__ == "__main__":
    main()
