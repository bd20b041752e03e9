"""Keys and values as TOML writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

BARE = re.compile(r"[A-Za-z0-9_-]+")


def key(name: str) -> str:
    return name if BARE.fullmatch(name) else toml(name)


def dotted(path: Iterable[str]) -> str:
    """`stages.align.lr`"""
    return ".".join(map(key, path))


def toml(value: Any) -> str:
    """A number, a string, true or false, a list or a table of these, all in one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key(name)} = {toml(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
