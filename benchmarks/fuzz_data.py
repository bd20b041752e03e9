"""Prepares files that nobody should have written; each ends in a dataset whose rows add up, or in one error."""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
import shutil
import sys
import tempfile
import traceback
import zipfile
from collections import Counter
from pathlib import Path

from sasrec_llm.data.own import OwnData, own_source
from sasrec_llm.data.prepare import prepare
from sasrec_llm.errors import SrlError
from sasrec_llm.plugins import Plugins

USERS = ["1", "01", "1.0", "7", "u1", "é", "名", "", " ", " 1", '"q"', str(2**63), str(2**70), "-5", "a\0b", "x" * 300]
ITEMS = ["1", "2", "10", "i9", "Heat, (1995)", '"', "'", "", "é", "\u202eevil", "{title}", "%s", "0x10", "1e2"]
RATINGS = ["1", "5", "4.5", "-3", "1e9", "nan", "inf", "", "five", "4,5", "0"]
TIMES = ["978300760", "978300760000", "978300760000000", "978300760000000000", "2001-02-03", "2001-02-03T04:05:06Z",
         "", "-1", "0", "1e9", "1e30", "nan", "yesterday", "978300760.5"]  # fmt: skip
NAMES = [("user", "item", "rating", "timestamp"), ("userId", "movieId", "rating", "time"), ("a", "b", "c", "d")]
ENCODINGS = ["utf-8", "utf-8-sig", "latin-1", "utf-16"]


def lines(chance: random.Random) -> list[list[str]]:
    many = chance.choice([0, 1, 3, 30, 400])
    clean = chance.random() < 0.5
    found = []
    for _ in range(many):
        if clean and chance.random() < 0.97:
            row = [
                str(chance.randint(1, 9)),
                str(chance.randint(1, 9)),
                str(chance.randint(1, 5)),
                str(10**9 + chance.randint(0, 99)),
            ]
        else:
            row = [chance.choice(column) for column in (USERS, ITEMS, RATINGS, TIMES)]
        if chance.random() < 0.02:
            row = row[: chance.randint(0, 3)] if chance.random() < 0.5 else [*row, "more"]
        found.append(row)
        if chance.random() < 0.1:
            found.append(row)
    return found


def content(chance: random.Random) -> bytes:
    separator, end = chance.choice(",,,\t;|"), chance.choice(["\n", "\n", "\r\n", "\r"])
    rows = [separator.join(row) for row in lines(chance)]
    if chance.random() < 0.95:
        rows.insert(0, separator.join(chance.choice(NAMES)))
    if chance.random() < 0.02:
        rows.insert(chance.randrange(len(rows) + 1), "y" * 10_000_000)
    text = end.join(rows) + (end if chance.random() < 0.8 else "")
    raw = text.encode(chance.choice(ENCODINGS), errors="replace")
    if chance.random() < 0.1:
        at = chance.randrange(len(raw) + 1)
        raw = raw[:at] + bytes(chance.randrange(256) for _ in range(8)) + raw[at:]
    return raw


def file(folder: Path, chance: random.Random) -> tuple[Path, str]:
    """A file, and the source that is to read it."""
    kind = chance.choice(["csv", "csv", "csv", "tsv", "jsonl", "csv.gz", "parquet", "zip"])
    path = folder / f"mine.{kind}"
    if kind == "jsonl":
        records = [dict(zip(NAMES[0], row, strict=False)) for row in lines(chance)]
        text = "\n".join(json.dumps(record) for record in records)
        path.write_text(text[: chance.choice([len(text), len(text) // 2])])
    elif kind == "csv.gz":
        packed = gzip.compress(content(chance))
        path.write_bytes(packed[: chance.choice([len(packed), len(packed) // 2, 5])])
    elif kind == "zip":
        packed_to = io.BytesIO()
        with zipfile.ZipFile(packed_to, "w") as bundle:
            for name in chance.sample(["ratings.dat", "movies.dat", "../../out", "/abs", "ml-1m/ratings.dat"], 2):
                bundle.writestr(name, "\n".join("::".join(row) for row in lines(chance)))
        raw = packed_to.getvalue()
        path.write_bytes(raw[: chance.choice([len(raw), len(raw) // 2])])
        return path, "ml-1m"
    else:
        path.write_bytes(content(chance))
    return path, ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    known, ended, bad = Plugins(), Counter[str](), 0
    known.load()
    for number in range(asked.count):
        chance = random.Random(f"{asked.seed} {number}")
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            path, source = file(folder, chance)
            own = OwnData(max_bad=chance.choice([0.05, 1.0]), min_user=chance.choice([0, 0, 2]))
            try:
                card = prepare(
                    known.get("sources", source) if source else own_source("mine"),
                    given=path, folder=folder / "data" / "mine", cache=folder / "cache", own=own,
                )  # fmt: skip
                ended["prepared"] += 1
                wrong = "" if card.read == card.kept + card.merged + card.quarantined else f"rows are lost: {card}"
            except SrlError as error:
                ended[type(error).__name__] += 1
                wrong = f"{error!r}" if error.exit_code == 1 else ""
                if (folder / "data" / "mine").exists():
                    wrong = "something is left"
            except Exception:
                wrong = traceback.format_exc()
            if wrong:
                bad += 1
                shutil.copy(path, Path(tempfile.gettempdir()) / f"fuzz-{number}-{path.name}")
                print(f"{number} {path.name}: {wrong}", file=sys.stderr)
    print(json.dumps({"files": asked.count, "wrong": bad, "ended": dict(ended)}))
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
