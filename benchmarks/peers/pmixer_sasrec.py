"""SASRec trained as pmixer/SASRec.pytorch (fde8a9c) does it, which is not on the package index: a loop of ours with its
arithmetic. Three processes draw negatives, one user and one position at a time; `nn.MultiheadAttention` returns its
weights; one negative for each position; Adam with betas (0.9, 0.98). Trained target positions a second."""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from movielens import rows
from pace import Pace

WIDTH, BLOCKS, DROPOUT, BATCH, WORKERS, AHEAD = 64, 2, 0.2, 128, 3, 10
PARTS = ("inputs", "targets", "negatives")


def sampler(histories: list[list[int]], n_items: int, length: int, seed: int, queue: Any) -> None:
    """Batches without end: the arrays of `PARTS`, each int32 [batch, length], padded on the left."""
    numpy, order = np.random.RandomState(seed), np.arange(len(histories))
    while True:
        numpy.shuffle(order)
        for part in np.array_split(order, math.ceil(len(order) / BATCH)):
            batch = np.zeros((3, len(part), length), dtype=np.int32)
            for row, user in enumerate(part):
                history = histories[user]
                seen, place = set(history), length - 1
                for after, item in zip(history[:0:-1], history[-2::-1], strict=True):
                    negative = numpy.randint(1, n_items + 1)
                    while negative in seen:
                        negative = numpy.randint(1, n_items + 1)
                    batch[:, row, place] = item, after, negative
                    place -= 1
                    if place < 0:
                        break
            queue.put(batch)


class Block(nn.Module):
    """Attention and two layers over positions, each added to its input and normed after."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, 1, DROPOUT)
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH, eps=1e-8) for _ in range(2))
        self.layers = nn.Sequential(
            nn.Conv1d(WIDTH, WIDTH, 1), nn.Dropout(DROPOUT), nn.ReLU(), nn.Conv1d(WIDTH, WIDTH, 1), nn.Dropout(DROPOUT)
        )

    def forward(self, given: Tensor, hidden_from: Tensor) -> Tensor:
        first = given.transpose(0, 1)  # [length, batch, width], as it was made for
        attended = self.norms[0](first + self.attention(first, first, first, attn_mask=hidden_from)[0]).transpose(0, 1)
        mixed: Tensor = self.norms[1](attended + self.layers(attended.transpose(1, 2)).transpose(1, 2))
        return mixed


class SASRec(nn.Module):
    def __init__(self, n_items: int, length: int) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 1, WIDTH, padding_idx=0)
        self.places = nn.Embedding(length + 1, WIDTH, padding_idx=0)
        self.dropout, self.norm = nn.Dropout(DROPOUT), nn.LayerNorm(WIDTH, eps=1e-8)
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        for weights in self.parameters():
            if weights.dim() > 1:
                nn.init.xavier_normal_(weights)
        with torch.no_grad():
            self.items.weight[0] = self.places.weight[0] = 0

    def forward(self, batch: np.ndarray) -> tuple[Tensor, Tensor]:
        """Scores [batch, length] of the targets, and of the negatives."""
        inputs, length = batch[0], batch.shape[2]
        places = np.tile(np.arange(1, length + 1), [len(inputs), 1]) * (inputs != 0)
        hidden = self.items(torch.LongTensor(inputs)) * WIDTH**0.5 + self.places(torch.LongTensor(places))
        hidden, hidden_from = self.dropout(hidden), ~torch.tril(torch.ones(length, length, dtype=torch.bool))
        for block in self.blocks:
            hidden = block(hidden, hidden_from)
        hidden = self.norm(hidden)
        target, negative = ((hidden * self.items(torch.LongTensor(part))).sum(-1) for part in batch[1:])
        return target, negative


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=int, default=50)
    asked = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(0)
    every = rows()
    numbers = {item: number for number, item in enumerate(sorted({item for _, item in every}), 1)}
    histories = [[numbers[item] for _, item in of][:-2] for _, of in groupby(every, key=lambda row: row[0])]
    queue: Any = multiprocessing.Queue(WORKERS * AHEAD)
    for seed in range(WORKERS):
        given = (histories, len(numbers), asked.length, seed, queue)
        multiprocessing.Process(target=sampler, args=given, daemon=True).start()
    model = SASRec(len(numbers), asked.length)
    optimiser, criterion = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98)), nn.BCEWithLogitsLoss()
    pace, going = Pace(), True
    while going:
        batch = queue.get()
        targets, negatives = model(batch)
        optimiser.zero_grad()
        at = np.where(batch[1] != 0)
        loss = criterion(targets[at], torch.ones(targets.shape)[at])
        loss = loss + criterion(negatives[at], torch.zeros(negatives.shape)[at])
        loss = loss + 0.0 * torch.sum(model.items.weight**2)  # its penalty of the embeddings, 0 as it comes
        loss.backward()
        optimiser.step()
        loss.item()  # it prints every loss
        going = pace.step(len(at[0]))
    print(json.dumps({"value": pace.targets_per_second()}))


if __name__ == "__main__":
    main()
