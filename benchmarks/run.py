"""Runs cases: ours and a peer in turn, the ratio pair by pair. See README.md of this folder."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from case import Case, Command
from cases import CASES

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of runs, at most")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of either")
    parser.add_argument("--table", action="store_true", help="print what was measured, as Markdown")
    asked = parser.parse_args()
    if asked.table:
        print("\n".join(table(read())))
        return
    if "SRL_TEST_DATA" not in os.environ:
        parser.error("SRL_TEST_DATA must name the folder of the datasets")
    unknown = [name for name in asked.cases if name not in CASES]
    if unknown:
        parser.error(f"no case {unknown[0]!r}; there are {', '.join(CASES)}")
    for name in asked.cases or CASES:
        for peer in CASES[name].peers:
            found = compare(name, CASES[name], peer, min(asked.rounds, CASES[name].rounds), asked.threads)
            results = read()
            key = f"{name} / {peer} / {processor()}"
            results[key] = found
            RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            print("\n".join(table({key: found})[2:]), flush=True)


def compare(name: str, case: Case, peer: str, rounds: int, threads: int) -> dict[str, Any]:
    pairs = []
    for number in range(rounds):
        pair = [measured(command, threads) for command in (case.ours, case.peers[peer])]
        agree(case, peer, *pair)
        pairs.append([one["value"] for one in pair])
        print(f"  {name} {number + 1}/{rounds}: ours {pairs[-1][0]:,.4g}, {peer} {pairs[-1][1]:,.4g}", file=sys.stderr)
    ratios = [(a / b if case.more_is_better else b / a) for a, b in pairs]
    return {
        "ours": statistics.median(a for a, _ in pairs),
        "theirs": statistics.median(b for _, b in pairs),
        "ratio": [min(ratios), statistics.median(ratios), max(ratios)],
        "rounds": rounds,
        "threads": threads,
        "machine": machine(),
    }


def measured(command: Command, threads: int) -> dict[str, Any]:
    python = HERE.parent / ".peers" / command.environment / "bin" / "python" if command.environment else sys.executable
    # A plugin that records every step would slow ours.
    own = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(threads), "SRL_DISABLE_PLUGINS": "*"}
    environment = {**os.environ, **own, **command.settings}
    with tempfile.TemporaryDirectory() as elsewhere:  # some peers leave logs where they stand
        done = subprocess.run(
            [str(python), str(HERE / command.script), *command.args],
            env=environment, cwd=elsewhere, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{command.script} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def agree(case: Case, peer: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    for check, most in case.tolerance.items():
        one, other = ours["checks"][check], theirs["checks"][check]
        if abs(one - other) > most:
            raise SystemExit(f"{case.title}: {check} is {one} here and {other} with {peer}: not the same work")


def machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def processor() -> str:
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8").splitlines() if about.exists() else []
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.processor())


def read() -> dict[str, Any]:
    return dict(json.loads(RESULTS.read_text(encoding="utf-8"))) if RESULTS.exists() else {}


def table(results: dict[str, Any]) -> Sequence[str]:
    lines = ["| what | peer | ours | theirs | ratio, least to most | wanted | on |", "|---|---|---|---|---|---|---|"]
    for key, found in results.items():
        name, peer, on = key.split(" / ")
        if name not in CASES:
            continue
        case = CASES[name]
        note = f", {case.peers[peer].note}" if case.peers[peer].note else ""
        low, middle, high = found["ratio"]
        lines.append(
            f"| {case.title} | {peer}{note} | {found['ours']:,.4g} {case.unit} | {found['theirs']:,.4g} | "
            f"**{middle:.3g}** ({low:.3g} to {high:.3g}) | {case.targets.get(peer, 1):g} | {on} |"
        )
    return lines


if __name__ == "__main__":
    main()
