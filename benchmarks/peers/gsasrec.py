"""SASRec trained as gSASRec-pytorch (7e35028) does it with one negative and t = 0, which is not on the package index: a
loop of ours with its arithmetic. Attention in separate steps with masks of queries and keys, a table of its own for
outputs, the loss in float64, batches from a `DataLoader` in the same process. Trained target positions a second."""

from __future__ import annotations

import argparse
import json
import os
import sys
from itertools import groupby
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).parent))
from movielens import rows
from pace import Pace

WIDTH, BLOCKS, DROPOUT, BATCH = 64, 2, 0.2, 128
TINY = 1e-10


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        length = keys.shape[1]
        scores = self.query(queries) @ self.key(keys).transpose(1, 2) / WIDTH**0.5
        shown = torch.sign(keys.abs().sum(-1))[:, None, :].repeat(1, length, 1)
        scores = scores.masked_fill(shown == 0, float("-inf"))
        before = torch.tril(torch.ones_like(scores[0]))[None].repeat(len(scores), 1, 1)
        shares = F.softmax(scores.masked_fill(before == 0, float("-inf")), dim=-1)
        shares = torch.nan_to_num(shares, nan=0.0, posinf=0.0, neginf=0.0)
        shares = shares * torch.sign(queries.abs().sum(-1))[:, :, None].repeat(1, 1, length)
        attended: Tensor = self.dropout(shares) @ self.value(keys)
        return attended


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))
        self.attention, self.dropout = Attention(), nn.Dropout(DROPOUT)
        self.inner, self.outer = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, given: Tensor, real: Tensor) -> Tensor:
        queries = self.norms[0](given)
        mixed = self.norms[1](self.attention(queries, given) + queries)
        out = self.dropout(self.outer(self.dropout(F.relu(self.inner(mixed))))) + mixed
        return out * real


class SASRec(nn.Module):
    """Items are 1 to `n_items`, and `n_items + 1` is the padding."""

    def __init__(self, n_items: int, length: int) -> None:
        super().__init__()
        self.inputs, self.outputs = (nn.Embedding(n_items + 2, WIDTH) for _ in range(2))
        self.places, self.norm, self.dropout = nn.Embedding(length, WIDTH), nn.LayerNorm(WIDTH), nn.Dropout(DROPOUT)
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.padding = n_items + 1

    def forward(self, items: Tensor) -> Tensor:
        real = (items != self.padding).float()[:, :, None]
        places = torch.arange(items.shape[1])[None].repeat(len(items), 1)
        hidden = self.dropout(self.inputs(items) + self.places(places)) * real
        for block in self.blocks:
            hidden = block(hidden, real)
        normed: Tensor = self.norm(hidden)
        return normed


def gbce(logits: Tensor, n_items: int) -> Tensor:
    """Generalised binary cross entropy [batch, length] of logits [batch, length, 1 + 1], the target's first, for t = 0:
    the target's probability to the power of beta = 1, in float64."""
    alpha, t = 1 / (n_items - 1), 0.0
    beta = alpha * ((1 - 1 / alpha) * t + 1 / alpha)
    wide, top = logits.double(), torch.finfo(torch.float64).max
    raised = torch.clamp(torch.sigmoid(wide[..., :1]), TINY, 1 - TINY).pow(-beta).clamp(1 + TINY, top)
    wide = torch.cat([torch.clamp(1 / (raised - 1), TINY, top).log(), wide[..., 1:]], dim=-1)
    labels = torch.zeros_like(logits)
    labels[..., 0] = 1
    return F.binary_cross_entropy_with_logits(wide, labels.double(), reduction="none").mean(-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=int, default=50)
    asked = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(0)
    every = rows()
    numbers = {item: number for number, item in enumerate(sorted({item for _, item in every}), 1)}
    n_items, kept = len(numbers), asked.length + 1
    histories = [[numbers[item] for _, item in of][:-2] for _, of in groupby(every, key=lambda row: row[0])]

    def batch(of: list[list[int]]) -> tuple[Tensor, Tensor]:
        cut = [history[-kept:] for history in of]
        padded = torch.stack([torch.tensor([n_items + 1] * (kept - len(one)) + one) for one in cut])
        return padded, torch.randint(1, n_items + 1, (*padded.shape, 1))

    model = SASRec(n_items, asked.length)
    optimiser, pace, going = torch.optim.Adam(model.parameters()), Pace(), True
    while going:
        for items, negatives in DataLoader(histories, BATCH, shuffle=True, collate_fn=batch):  # type: ignore[arg-type]
            given = items[:, :-1]
            hidden = model(given)
            asked_of = torch.cat([items[:, 1:, None], negatives[:, 1:]], dim=-1)
            logits = torch.einsum("bse,bsne->bsn", hidden, model.outputs(asked_of))
            real = (given != model.padding).float()
            loss = (gbce(logits, n_items) * real).sum() / real.sum()
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
            loss.item()  # it shows every loss
            going = pace.step(int(real.sum()))
            if not going:
                break
    print(json.dumps({"value": pace.targets_per_second()}))


if __name__ == "__main__":
    main()
