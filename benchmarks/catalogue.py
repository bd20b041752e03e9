"""A training step on a catalogue of a million items beside one of a hundred thousand.

    python benchmarks/catalogue.py                       # SASRec of width 64; two minutes and 4 GB
    python benchmarks/catalogue.py --items 100000 10000000 --rounds 5

Same batch, same negatives; the catalogues take turns within a round. Prints JSON: for each loss the median milliseconds
of a step for each number of items; how many times as long the largest takes as the smallest, as the median of the
rounds' ratios; and the megabytes that a process which trains holds at its peak. `dense` is gbce without `sparse`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from sasrec_llm.components import BuildContext
from sasrec_llm.devices import Device, keep_freed_memory
from sasrec_llm.encoders.sasrec import SASRec, build
from sasrec_llm.encoders.settings import SASRecSettings
from sasrec_llm.interfaces import Sequences
from sasrec_llm.train.optimiser import RowAdamW

LOSSES: dict[str, dict[str, Any]] = {
    "sampled-softmax": {"loss": "sampled-softmax", "negatives": 256, "sparse": True},
    "gbce": {"loss": "gbce", "negatives": 256, "sparse": True},
    "bce": {"loss": "bce", "negatives": 1, "sparse": True},
    "dense": {"loss": "gbce", "negatives": 256},
}
BATCH, LENGTH, STEPS = 128, 50, 5


class Likes:
    """Popularity by Zipf's law, as BuildContext.data knows it."""

    def __init__(self, n_items: int) -> None:
        self.popularity = (1e6 / torch.arange(1, n_items + 2)).long().numpy()


class Trained:
    def __init__(self, name: str, n_items: int) -> None:
        torch.manual_seed(0)
        data: Any = Likes(n_items)
        context = BuildContext(n_users=BATCH, n_items=n_items, item_texts=(), seed=0, cache=Path(), data=data)
        self.encoder: SASRec = build(SASRecSettings(width=64, max_length=LENGTH, **LOSSES[name]), context)
        self.optimiser = RowAdamW(self.encoder.parameters(), fused=True)
        self.n_items = n_items

    def milliseconds(self) -> float:
        """Of a step."""
        items = torch.randint(1, self.n_items + 1, (STEPS, BATCH, LENGTH + 1))
        users = torch.arange(BATCH)
        began = time.perf_counter()
        for batch in items:
            loss = self.encoder.next_item_loss(Sequences(batch, users, users))
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.clip(1.0)
            self.optimiser.step()
        return (time.perf_counter() - began) / STEPS * 1000


def times(name: str, items: list[int], rounds: int) -> dict[str, Any]:
    """Every catalogue in turn, after a round that does not count."""
    trained = {n: Trained(name, n) for n in items}
    taken = [{n: one.milliseconds() for n, one in trained.items()} for _ in range(rounds + 1)][1:]
    ratios = [each[items[-1]] / each[items[0]] for each in taken]
    return {
        "ms": {n: round(statistics.median(each[n] for each in taken), 1) for n in items},
        "times": round(statistics.median(ratios), 2),
        "from": [round(min(ratios), 2), round(max(ratios), 2)],
    }


def peak(name: str, n: int) -> int:
    """Megabytes; asked before this process grows, for a child's peak begins where its parent stands."""
    call = [sys.executable, __file__, "--peak", "--losses", name, "--items", str(n)]
    return round(float(subprocess.run(call, check=True, capture_output=True, text=True).stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--losses", nargs="+", default=list(LOSSES), choices=list(LOSSES))
    parser.add_argument("--peak", action="store_true", help="of this process, after a few steps of one case")
    given = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()  # as `srl run` does
    if given.peak:
        Trained(given.losses[0], given.items[0]).milliseconds()
        print(Device("cpu", False).peak_memory_mb())
        return
    peaks = {(name, n): peak(name, n) for name in given.losses for n in given.items}
    for name in given.losses:
        found = times(name, given.items, given.rounds)
        print(json.dumps({"loss": name, **found, "peak_mb": {n: peaks[name, n] for n in given.items}}), flush=True)


if __name__ == "__main__":
    main()
