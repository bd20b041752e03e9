"""`srl data prepare FILE.csv --min-user 5 --min-item 5`: all of it, to the hashes of what was written."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
from ratings import write_ratings

from sasrec_llm.data.own import OwnData, own_source
from sasrec_llm.data.prepare import prepare

given = Path(sys.argv[1])
write_ratings(given)
own = OwnData(min_user=5, min_item=5)
with tempfile.TemporaryDirectory() as folder:
    began = time.perf_counter()
    card = prepare(
        own_source("ratings"), given=given, folder=Path(folder, "ratings"), cache=Path(folder), own=own,
        threads=int(os.environ["OMP_NUM_THREADS"]),
    )  # fmt: skip
    seconds = time.perf_counter() - began
train, valid, test = card.protocols["leave-one-out"]
checks = {"kept": card.kept, "train": train, "valid": valid, "test": test}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
print(json.dumps({"value": seconds, "checks": checks, "peak_mb": peak}))
