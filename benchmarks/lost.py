"""Kills one of the processes of `srl run --nproc 2` at a random moment, or the one that started them, runs the same
command again, and compares its bytes with those of one process that was left alone; so many times."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
STAGES = ("encoder", "warmup", "align")
RUN = ("run", "small.toml", *(f"--set=stages.{name}.slices=2" for name in STAGES), "--set=evaluate.floors=[]")
WITHIN = 60  # seconds from the kill to the end of all


def start(folder: Path, runs: str, *command: str) -> subprocess.Popen[str]:
    own = {"SRL_DATA": "data", "SRL_RUNS": runs, "SRL_CACHE": "cache", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    environment = {**os.environ, **own, "SRL_DISABLE_PLUGINS": "*"}
    called = [sys.executable, "-m", "sasrec_llm", *command]
    return subprocess.Popen(
        called, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def hashes(runs: Path) -> dict[str, str]:
    (folder,) = (path.parent for path in runs.glob("*/metrics.json"))
    files = [*folder.glob("stages/*/result/**/*.safetensors"), folder / "predictions.parquet"]
    test = json.loads((folder / "metrics.json").read_text())["test"]
    found = {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}
    return found | {"test": hashlib.sha256(json.dumps(test).encode()).hexdigest()}


def children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return sorted(int(line) for line in found.stdout.split())


def killed(command: subprocess.Popen[str], chance: random.Random, seconds: float) -> tuple[str, int | None, float, str]:
    """Who was killed, the exit code of the command, the seconds until it ended, and what it said."""
    while len(children(command.pid)) < 2 and command.poll() is None:
        time.sleep(0.05)
    time.sleep(chance.uniform(0, seconds))
    ranks = children(command.pid)
    who = chance.choice(["process 0", "process 1", "parent", "parent, SIGTERM"])
    if command.poll() is not None or len(ranks) < 2:
        return "nobody: it had ended", command.returncode, 0.0, ""
    victim = command.pid if who.startswith("parent") else ranks[int(who[-1])]
    began = time.monotonic()
    os.kill(victim, signal.SIGTERM if "TERM" in who else signal.SIGKILL)
    _, prose = command.communicate(timeout=WITHIN)
    while any(Path(f"/proc/{rank}").exists() for rank in ranks) and time.monotonic() - began < WITHIN:
        time.sleep(0.05)
    return who, command.returncode, time.monotonic() - began, prose


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shutil.copy(ROOT / "benchmarks" / "small.toml", folder)
        assert start(folder, "none", "data", "prepare", "demo").wait() == 0
        assert start(folder, "alone", *RUN).wait() == 0
        began = time.monotonic()
        assert start(folder, "warm", *RUN, "--nproc", "2").wait() == 0
        seconds, wanted = time.monotonic() - began, hashes(folder / "alone")
        assert hashes(folder / "warm") == wanted
        same, longest = 0, 0.0
        for trial in range(asked.kills):
            who, code, took, prose = killed(start(folder, "runs", *RUN, "--nproc", "2"), chance, seconds)
            again = start(folder, "runs", *RUN, "--nproc", "2")
            _, said = again.communicate()
            equal = again.returncode == 0 and hashes(folder / "runs") == wanted and "Traceback" not in prose + said
            same, longest = same + equal, max(longest, took)
            told = "equal" if equal else f"DIFFERENT\n{prose}\n{said}"
            print(f"{trial + 1:3} {who}: exit {code}, all ended after {took:.1f} s; {told}", file=sys.stderr)
            shutil.rmtree(folder / "runs", ignore_errors=True)
    print(json.dumps({"kills": asked.kills, "equal": same, "longest_seconds_to_end": round(longest, 1)}))
    sys.exit(same != asked.kills)


if __name__ == "__main__":
    main()
