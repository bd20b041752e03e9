"""What differs between two resolved recipes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sasrec_llm.recipe.origins import values
from sasrec_llm.recipe.toml import dotted


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Key path -> {"a": value, "b": value}; where only one has the key, that one alone."""
    sides = {"a": dict(values(one)), "b": dict(values(other))}
    found = {}
    for path in dict.fromkeys([*sides["a"], *sides["b"]]):
        said = {side: table[path] for side, table in sides.items() if path in table}
        if len(said) == 1 or said["a"] != said["b"]:
            found[dotted(path)] = said
    return found
