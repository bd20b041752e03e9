"""Tables of a recipe, one laid over another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sasrec_llm.recipe.models import SECTIONS


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key, but another component (`use`) comes without the settings of the one below."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            same = key not in SECTIONS or value.get("use", old.get("use")) == old.get("use")
            result[key] = merge(old, value) if same else value
        else:
            result[key] = value
    return result


def put(table: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The table with `value` under the key path `stages.align.epochs`."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return merge(table, value)
