"""Kills a training run once at a random moment, starts it again, and compares its bytes with those of a run that was
left alone; so many times. Half of the moments are times, half are operations on files: inside a save."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import forked

SIGNALS = {signal.SIGKILL: 2, signal.SIGTERM: 1, signal.SIGINT: 1}  # how often each, of times


def killed(
    folder: Path, run: tuple[str, ...], chance: random.Random, seconds: float, operations: int, at_operation: bool
) -> tuple[str, int]:
    """Kill a run -> when, and its exit code."""
    if at_operation:
        number = chance.randrange(1, operations + 1)
        return f"operation {number}", forked.end(forked.start(folder, *run, plan=forked.kill_at(number)))
    number = chance.choices(list(SIGNALS), list(SIGNALS.values()))[0]
    delay = chance.uniform(0, seconds)
    process = forked.start(folder, *run)
    time.sleep(delay)
    os.kill(process, number)
    return f"{number.name} after {delay:.2f} s", forked.end(process)


def reached(folder: Path) -> str:
    """The stage that it was in."""
    done = len(list(folder.glob("runs/*/stages/*/result/MANIFEST.json")))
    finished = bool(list(folder.glob("runs/*/metrics.json")))
    return "finished" if finished else f"after {done} stages"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true", help="fewer rows and steps")
    asked = parser.parse_args()
    prepare, run = forked.commands(asked.short)
    forked.without_pages()
    chance = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as scratch:
        parent = Path(scratch)
        prepared = forked.place(parent)
        forked.end(forked.start(prepared, *prepare))
        alone = forked.place(parent, prepared / "data")
        began = time.monotonic()
        operations = forked.counted(alone, *run)
        seconds = time.monotonic() - began
        wanted = forked.hashes(alone)
        assert wanted, forked.said(alone)
        same, where = 0, Counter[str]()
        for trial in range(asked.kills):
            folder = forked.place(parent, prepared / "data")
            when, code = killed(folder, run, chance, seconds, len(operations), at_operation=trial % 2 == 1)
            place, first = reached(folder), forked.said(folder)
            where[place] += 1
            again = forked.end(forked.start(folder, *run))
            left = forked.leftovers(folder)
            equal = again == 0 and forked.hashes(folder) == wanted and not left and "Traceback" not in first
            same += equal
            print(f"{trial + 1:3} {when}: exit {code}, {place}; {'equal' if equal else 'DIFFERENT'}", file=sys.stderr)
            if not equal:
                print(f"exit {again}, left {left}\n{first}\n{forked.said(folder)}", file=sys.stderr)
            shutil.rmtree(folder)
    print(json.dumps({"kills": asked.kills, "equal": same, "operations": len(operations), "where": dict(where)}))
    sys.exit(same != asked.kills)


if __name__ == "__main__":
    main()
