"""The best items of many users, some thousands of users to a file; what is there already is not done again.

A file's name has the hash of its bytes, and the same users give the same bytes: whoever does a shard twice, or goes on
with what another began, finds and leaves the same folder.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sasrec_llm.answering.loaded import LoadedRun, check_count
from sasrec_llm.data.database import connect, write_parquet
from sasrec_llm.durable import DRAFT, digest, new_file, read_json, sha256, sweep, write_json
from sasrec_llm.errors import RunError, UsageError

log = logging.getLogger(__name__)

USERS = 4096  # of a file
ORDER, SUMMARY = "order.json", "lists.json"


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for, in which folder."""

    run: str  # as people call it, or the folder of an export
    k: int
    candidates: int
    users: tuple[str, ...]
    folder: Path
    size: int = USERS  # users of a file

    def shard(self, number: int) -> Sequence[str]:
        return self.users[number * self.size : (number + 1) * self.size]

    @property
    def shards(self) -> range:
        return range(-(-len(self.users) // self.size))


def begin(order: Order, loaded: LoadedRun) -> list[int]:
    """Make the folder, or go on in it; which shards are missing."""
    check_count(order.k)
    about = {
        "run": loaded.name,
        "identity": identity(loaded.folder),
        "k": order.k,
        "candidates": order.candidates,
        "users": len(order.users),
        "users_sha256": digest(order.users),
        "users_of_a_file": order.size,
    }
    place = order.folder / ORDER
    if place.is_file() and read_json(place) != about:
        raise RunError(
            f"{order.folder} has other lists: of another run, other users, or another -k",
            hint=f"Give another folder with --to, or remove it: rm -r {order.folder}",
        )
    write_json(place, about)
    sweep(order.folder, f"{DRAFT}*")
    return [number for number in order.shards if find(order.folder, number) is None]


def identity(folder: Path) -> str:
    """What a run's, or an export's, parts and settings are, as a hash."""
    files = [
        *folder.glob("resolved.json"),
        *folder.glob("MANIFEST.json"),
        *folder.glob("stages/*/result/MANIFEST.json"),
    ]
    return digest({str(path.relative_to(folder)): sha256(path) for path in files})


def find(folder: Path, number: int) -> Path | None:
    """A shard's file, whole; a damaged one is removed."""
    for path in folder.glob(f"part-{number:06d}-*.parquet"):
        if path.stem.endswith(sha256(path)[:16]):
            return path
        log.warning("%s is damaged: done again", path)
        path.unlink()
    return None


def write_shard(order: Order, number: int, loaded: LoadedRun) -> Path:
    """The lists of a shard's users: user, rank from 1, item, score; ids as in the person's own files."""
    users = order.shard(number)
    found = loaded.answer([loaded.question(user) for user in users], order.k)
    lines = [
        (user, rank, item.item, item.score)
        for user, items in zip(users, found, strict=True)
        for rank, item in enumerate(items, start=1)
    ]
    columns = {
        "user": np.array([line[0] for line in lines], dtype=object),
        "rank": np.array([line[1] for line in lines], dtype=np.int16),
        "item": np.array([line[2] for line in lines], dtype=object),
        "score": np.array([line[3] for line in lines], dtype=np.float32),
    }
    beside = order.folder / f"part-{number:06d}.parquet"
    with connect() as connection:
        connection.register("lists", columns)
        with new_file(beside) as draft:
            write_parquet(connection, "SELECT * FROM lists", draft)
            named = order.folder / f"part-{number:06d}-{sha256(draft)[:16]}.parquet"
        beside.rename(named)
    return named


def finish(order: Order) -> dict[str, object]:
    """What there is, when all of it is there."""
    files = {number: find(order.folder, number) for number in order.shards}
    missing = [number for number, path in files.items() if path is None]
    if missing:
        raise UsageError(f"{len(missing)} files of {len(files)} are missing in {order.folder}", hint="Run it again")
    summary = {
        **read_json(order.folder / ORDER),
        "files": {path.name: sha256(path) for path in files.values() if path is not None},
    }
    write_json(order.folder / SUMMARY, summary)
    return summary
