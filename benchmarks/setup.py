"""Makes the environments of the peers under `.peers/`, from the package index."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PEERS = {
    "rectools": ["torch==2.13.0", "rectools[torch]==0.19.0"],
    "tables": ["pandas==3.1.1", "polars==2.1.0"],
    "metrics": ["torch==2.13.0", "torchmetrics==1.9.0"],
    "texts": ["torch==2.13.0", "sentence-transformers==6.2.0"],
}
HERE = Path(__file__).parent


def main() -> None:
    for name in sys.argv[1:] or PEERS:
        folder = HERE.parent / ".peers" / name
        if (folder / "ready").exists():
            continue
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        for package in PEERS[name]:  # one after the other, so that torch is the build that was asked for
            subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", package], check=True)
        (folder / "ready").touch()
        print(f"{folder} is ready")


if __name__ == "__main__":
    main()
