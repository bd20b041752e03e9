"""`srl serve` under load: many clients at once, answered together and one at a time, in turn.

    python benchmarks/serve.py RUN                          # 32 clients, 60 seconds for each way
    python benchmarks/serve.py RUN --explain --seconds 20

Needs srl-serve. Prints JSON: requests and errors, requests per second, milliseconds, memory before and after, the mean
batch; and how many times as fast it is together, for each pair of turns. What it sends are 5,000 different histories
of ten items.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import uvloop

HISTORY = 10
DRAWN = 5000  # different questions
WARM_UP = 3.0  # seconds, before memory is looked at


@dataclass
class Server:
    """A server of its own process, and what was measured of it."""

    address: str
    port: int
    seconds: list[float] = field(default_factory=list)  # of each request
    rates: list[float] = field(default_factory=list)  # requests per second of each turn
    errors: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)  # MB, after each turn, the warm-up included
    cpu: list[float] = field(default_factory=list)  # milliseconds a request

    def metric(self, name: str) -> float:
        with urlopen(f"{self.address}/metrics") as answer:
            lines = [line for line in answer.read().decode().splitlines() if line.startswith(name)]
        return float(lines[0].rsplit(" ", 1)[1])

    def report(self) -> dict[str, Any]:
        at = statistics.quantiles([1000 * second for second in self.seconds], n=100)
        count, total = (self.metric(f'srl_batch_size_{part}{{queue="model"}}') for part in ("count", "sum"))
        return {
            "requests": len(self.seconds),
            "errors": len(self.errors),
            "first errors": self.errors[:3],
            "requests_per_second": [round(rate, 1) for rate in self.rates],
            "ms": {"p50": round(at[49], 1), "p95": round(at[94], 1), "p99": round(at[98], 1)},
            "mean_batch": round(total / count, 1),
            "cpu_ms_per_request": [round(each, 2) for each in self.cpu],
            "memory_mb": self.memory,
        }


@contextlib.contextmanager
def serving(run: str, *options: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "sasrec_llm", "serve", run, "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            said = ""
            for line in process.stderr:
                said += line
                if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                    yield Server(found[0], int(found[1]))
                    break
            else:
                raise SystemExit(said)
        finally:
            process.terminate()
            code = process.wait(30)
    if code:
        raise SystemExit(f"the server ended with {code}")


def catalogue(server: Server) -> list[str]:
    """Ids of some of its items."""
    found: set[str] = set()
    for letter in "abcdefghijklmnopqrstuvwxyz":
        with urlopen(f"{server.address}/items?q={letter}&count=100") as answer:
            found |= {item["item"] for item in json.load(answer)["items"]}
    return sorted(found)


def questions(server: Server, asked: argparse.Namespace) -> list[bytes]:
    """Requests, made before time is taken: what the clients compute, the server cannot."""
    items, chance = catalogue(server), random.Random(7)
    found = []
    for _ in range(DRAWN):
        body = json.dumps({"history": chance.sample(items, HISTORY), "k": asked.k, "explain": asked.explain})
        head = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        found.append(f"POST /recommend HTTP/1.1\r\n{head}\r\n\r\n{body}".encode())
    return found


async def client(server: Server, requests: Iterator[bytes], until: float, k: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    while (began := time.perf_counter()) < until:
        writer.write(next(requests))
        said = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", said)
        answer = await reader.readexactly(int(length[1]) if length else 0)
        server.seconds.append(time.perf_counter() - began)
        if not said.startswith(b"HTTP/1.1 200 ") or answer.count(b'"score"') != k:
            server.errors.append((said.split(b"\r\n")[0] + answer[:200]).decode())
    writer.close()


async def turn(server: Server, requests: Iterator[bytes], seconds: float, asked: argparse.Namespace) -> None:
    before, began, cpu = len(server.seconds), time.perf_counter(), server.metric("process_cpu_seconds_total")
    await asyncio.gather(*(client(server, requests, began + seconds, asked.k) for _ in range(asked.clients)))
    done = len(server.seconds) - before
    server.rates.append(done / (time.perf_counter() - began))
    server.cpu.append(1000 * (server.metric("process_cpu_seconds_total") - cpu) / done)
    server.memory.append(round(server.metric("process_resident_memory_bytes") / 2**20, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60, help="of each way, all turns together")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--explain", action="store_true")
    parser.add_argument("--candidates", default="100")
    asked = parser.parse_args()
    os.environ.pop("SRL_SERVE_TOKEN", None)
    options = ("--candidates", asked.candidates)
    with serving(asked.run, *options) as batched, serving(asked.run, *options, "--batch-size", "1") as single:
        requests = cycle(questions(batched, asked))
        for server in (batched, single):
            uvloop.run(turn(server, requests, WARM_UP, asked))
            for figures in (server.seconds, server.rates, server.cpu):
                figures.clear()
        for _ in range(asked.turns):
            for server in (batched, single):
                uvloop.run(turn(server, requests, asked.seconds / asked.turns, asked))
        ratios = [one / other for one, other in zip(batched.rates, single.rates, strict=True)]
        found = {
            "run": Path(asked.run).name,
            "clients": asked.clients,
            "batched": batched.report(),
            "one_at_a_time": single.report(),
            "ratio": {of.__name__: round(of(ratios), 2) for of in (statistics.median, min, max)},
        }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
