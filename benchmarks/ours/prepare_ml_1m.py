"""`srl data prepare ml-1m --from ml-1m.zip --min-user 5 --min-item 5`."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from sasrec_llm.data.own import OwnData
from sasrec_llm.data.prepare import prepare
from sasrec_llm.plugins import plugins

source, _ = plugins().offers("sources")["ml-1m"]
own = OwnData(min_user=5, min_item=5)
with tempfile.TemporaryDirectory() as folder:
    began = time.perf_counter()
    card = prepare(
        source, given=Path(sys.argv[1]), folder=Path(folder, "ml-1m"), cache=Path(folder), own=own,
        threads=int(os.environ["OMP_NUM_THREADS"]),
    )  # fmt: skip
    seconds = time.perf_counter() - began
train, valid, test = card.protocols["leave-one-out"]
print(json.dumps({"value": seconds, "checks": {"kept": card.kept, "train": train, "valid": valid, "test": test}}))
