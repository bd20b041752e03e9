"""Makes one operation on files fail, at each of many places of a run, and looks at what is left: one message and no
traceback, nothing lost that was finished, and the next start ends with the same bytes or says what to remove."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import forked


def finished(folder: Path) -> dict[str, str]:
    """What was done before, which nothing may take away."""
    done = [path.parent for path in folder.glob("runs/*/stages/*/result/MANIFEST.json")]
    return {str(path.relative_to(folder)): path.read_bytes().hex() for place in done for path in place.glob("*.json")}


def trial(folder: Path, command: tuple[str, ...], number: int, code: int, wanted: dict[str, str]) -> str:
    """ "" or what went wrong."""
    first = forked.end(forked.start(folder, *command, plan=forked.fail_at(number, code)))
    said, before = forked.said(folder), finished(folder)
    if "Traceback" in said:
        return f"traceback\n{said}"
    if first not in (0, 2, 4, 5):
        return f"exit {first}\n{said}"
    again = forked.end(forked.start(folder, *command))
    if again:
        return f"the next start: exit {again}\n{said}\n{forked.said(folder)}"
    if lost := before.keys() - finished(folder).keys():
        return f"lost {sorted(lost)}"
    if forked.hashes(folder) != wanted:
        return f"other bytes\n{said}"
    if left := forked.leftovers(folder):
        return f"left {left}"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=240)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true", help="fewer rows and steps")
    asked = parser.parse_args()
    prepare, run = forked.commands(asked.short)
    chance = random.Random(asked.seed)
    wrong, exits = 0, Counter[str]()
    with tempfile.TemporaryDirectory() as scratch:
        parent = Path(scratch)
        prepared = forked.place(parent)
        preparing = forked.counted(prepared, *prepare)
        alone = forked.place(parent, prepared / "data")
        running = forked.counted(alone, *run)
        wanted = forked.hashes(alone)
        places = [(prepare, number) for number in range(1, len(preparing) + 1)]
        places += [(run, number) for number in range(1, len(running) + 1)]
        for command, number in sorted(chance.sample(places, min(asked.faults, len(places))), key=str):
            name = chance.choice(list(forked.CODES))
            data = prepared / "data" if command == run else None
            folder = forked.place(parent, data)
            what = (running if command == run else preparing)[number - 1]
            problem = trial(folder, command, number, forked.CODES[name], wanted if command == run else {})
            exits[name] += 1
            wrong += bool(problem)
            print(f"{command[0]} {number} {name} {what}: {problem or 'ok'}", file=sys.stderr)
            shutil.rmtree(folder)
    total = {"prepare": len(preparing), "run": len(running)}
    print(json.dumps({"faults": sum(exits.values()), "wrong": wrong, "operations": total, "kinds": dict(exits)}))
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
