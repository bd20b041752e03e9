"""20,000 users ranked among 100,000 items, vectors of width 64 at hand: users a second. `--bare`: the product alone,
in tiles that stay in cache, which is the least that any ranking must do."""

from __future__ import annotations

import json
import sys
import time

import torch

from sasrec_llm.evaluate.ranks import rank_products

USERS, ITEMS, WIDTH, SEEN, K = 20_000, 100_000, 64, 100, 20
TILE = 256, 2_000  # users, items
torch.manual_seed(0)
users, items = torch.randn(USERS, WIDTH), torch.randn(ITEMS + 1, WIDTH)
seen, targets = torch.randint(0, ITEMS + 1, (USERS, SEEN)), torch.randint(1, ITEMS + 1, (USERS,))


def bare() -> None:
    scores = torch.empty(TILE)
    tiles = [tile.T for tile in items[1:].split(TILE[1])]
    for part in users.split(TILE[0]):
        for tile in tiles:
            torch.mm(part, tile, out=scores[: len(part)])


def ranked() -> None:
    for rows in torch.arange(USERS).split(TILE[0]):
        rank_products(users[rows], items, seen[rows], targets[rows], K)


with torch.inference_mode():
    began = time.perf_counter()
    bare() if "--bare" in sys.argv else ranked()
    print(json.dumps({"value": USERS / (time.perf_counter() - began)}))
