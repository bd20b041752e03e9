"""The seconds from starting Python to its end, the median of 15 starts: `start.py COMMAND...`."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time


def seconds() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *sys.argv[1:]], check=True, capture_output=True)
    return time.perf_counter() - began


seconds()
print(json.dumps({"value": statistics.median(seconds() for _ in range(15)), "checks": {}}))
