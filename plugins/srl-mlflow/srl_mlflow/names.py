"""Names and values as MLflow can hold them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any


def key(*parts: str) -> str:
    """`encoder/valid/ndcg_at_10`, as MLflow calls it, whose names have no @."""
    return "/".join(re.sub(r"[^\w. -]", "_", part.replace("@", "_at_")) for part in parts)


def flat(table: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Tables within tables as dotted keys; whatever is no text, as JSON."""
    found: dict[str, str] = {}
    for name, value in table.items():
        path = re.sub(r"[^\w./ -]", "_", above + name)
        if isinstance(value, Mapping):
            found |= flat(value, f"{path}.")
        else:
            found[path] = value if isinstance(value, str) else json.dumps(value)
    return found
