"""What a run was made with: its manifest.json."""

from __future__ import annotations

import importlib.metadata
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from sasrec_llm.durable import write_json
from sasrec_llm.plugins import Plugins
from sasrec_llm.runs import Run, now

PACKAGES = ("sasrec-llm", "torch", "transformers", "peft", "duckdb", "numpy", "scikit-learn", "safetensors")


def write_manifest(run: Run, data: Mapping[str, Any], device: str, plugins: Plugins) -> None:
    write_json(
        run.folder / "manifest.json",
        {
            "started": now(),
            "command": sys.argv,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "device": device,
            "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
            "plugins": {row.package: row.version for row in plugins.rows if row.status == "ok" and row.version != "-"},
            "git": git_state(),
            "data": dict(data),
        },
    )


def git_state() -> dict[str, Any] | None:
    """Commit and whether files differ from it, of the folder we run in."""
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True)
        status = subprocess.run(
            ["git", "status", "--porcelain"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit.stdout.strip(), "dirty": bool(status.stdout.strip())}


def environment(manifest: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """(label, text); of the command, what came after the program, whose place on the disk is nobody's business."""
    yield "started", manifest["started"].replace("T", " ").replace("+00:00", " UTC")
    yield "command", command(manifest)
    yield "device", manifest["device"]
    yield "platform", f"Python {manifest['python']} · {manifest['platform']}"
    git = manifest.get("git")
    if git:
        yield "git", git["commit"] + (" with uncommitted changes" if git["dirty"] else "")
    yield "packages", " · ".join(f"{name} {version}" for name, version in manifest["versions"].items())
    yield "plugins", " · ".join(f"{name} {version}" for name, version in manifest["plugins"].items() if version != "-")


def command(manifest: Mapping[str, Any]) -> str:
    return shlex.join(["srl", *manifest["command"][1:]])
