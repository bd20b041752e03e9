"""20,000 users ranked among 100,000 items, vectors at hand: users a second. `--bare`: the product alone, in tiles that
stay in cache, which is the least that any ranking must do."""

from __future__ import annotations

import argparse
import json
import time

import torch

from sasrec_llm.evaluation.ranks import rank_products

USERS, ITEMS, SEEN, K = 20_000, 100_000, 100, 20
TILE = 256, 2_000  # users, items: as fast as the product gets
BATCH = 512  # as recipes have it
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--width", type=int, default=64)
parser.add_argument("--bare", action="store_true")
asked = parser.parse_args()
torch.manual_seed(0)
users, items = torch.randn(USERS, asked.width), torch.randn(ITEMS + 1, asked.width)
seen, targets = torch.randint(0, ITEMS + 1, (USERS, SEEN)), torch.randint(1, ITEMS + 1, (USERS,))


def bare() -> None:
    scores = torch.empty(TILE)
    tiles = [tile.T for tile in items[1:].split(TILE[1])]
    for part in users.split(TILE[0]):
        for tile in tiles:
            torch.mm(part, tile, out=scores[: len(part)])


def ranked() -> None:
    for rows in torch.arange(USERS).split(BATCH):
        rank_products(users[rows], items, seen[rows], targets[rows], K)


with torch.inference_mode():
    began = time.perf_counter()
    bare() if asked.bare else ranked()
    print(json.dumps({"value": USERS / (time.perf_counter() - began)}))
