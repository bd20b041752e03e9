"""Changes shipped recipes at random; each must be a recipe that can be planned, or an error that names a key."""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

from sasrec_llm.bench.plan import plan
from sasrec_llm.data.own import OwnData
from sasrec_llm.data.prepare import prepare
from sasrec_llm.errors import RecipeError, SrlError
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.recipe.file import read_toml
from sasrec_llm.runs import Workspace

RECIPES = Path(__file__).parent.parent / "recipes"
JUNK: list[Any] = [
    -1, 0, 1, 2, 10**9, 10**30, -(2**63), 0.5, -0.5, 1e308, float("nan"), float("inf"), True, False, "", " ", "x",
    "all", "sasrec", "mf", "../../etc", "\0", "é\u202e\U0001f600", "{title}", "a" * 10_000, "1", [], [[]], [None],
    ["encoder"], ["encoder", "encoder"], {}, {"use": "sasrec"}, {"use": 3}, {"": {}}, {"a": {"b": {"c": 1}}}, None,
]  # fmt: skip
QUICK = "encoder-only"  # a strategy whose recipes are tried on made-up data, the others are checked


def places(table: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all keys."""
    if isinstance(table, dict):
        for key, value in table.items():
            yield (*path, key)
            yield from places(value, (*path, key))


def changed(table: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    table = copy.deepcopy(table)
    for _ in range(chance.randint(1, 3)):
        paths = list(places(table))
        *path, key = chance.choice(paths) if paths else ("name",)
        inner = table
        for step in path:
            inner = inner[step]
        kind = chance.randrange(5)
        if kind == 0:
            del inner[key]
        elif kind == 1:
            name = str(key)
            at = chance.randrange(len(name) + 1)
            inner[name[:at] + chance.choice("xé_. ") + name[at + 1 :]] = inner.pop(key)
        elif kind == 2:
            inner[chance.choice([str(other[-1]) for other in paths] or ["x"])] = copy.deepcopy(chance.choice(JUNK))
        elif kind == 3:
            *far, last = chance.choice(paths)
            value: Any = table
            for step in (*far, last):
                value = value.get(step) if isinstance(value, dict) else None
            inner[key] = copy.deepcopy(value)
        else:
            inner[key] = copy.deepcopy(chance.choice(JUNK))
    return table


def bases(known: Plugins) -> list[dict[str, Any]]:
    """The shipped recipes; those that are quick to build, once more on made-up data."""
    found = [read_toml(path, known) for path in sorted(RECIPES.rglob("*.toml"))]
    found = [table for table in found if "strategy" in table and "search" not in table]
    quick = [copy.deepcopy(table) for table in found if table["strategy"]["use"] == QUICK]
    for table in quick:
        likes = table["data"].get("protocol") in ("collm", "temporal", None)
        table["data"] = {"use": "demo", "protocol": "temporal" if likes else "leave-one-out"}
        if "max_length" in table.get("encoder", {}):
            table["encoder"]["max_length"] = 10
    return found + 4 * quick


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    chance, known = random.Random(asked.seed), Plugins()
    known.load()
    recipes = bases(known)
    ended, bad = Counter[str](), 0
    with tempfile.TemporaryDirectory() as scratch:
        place = Workspace(Path(scratch, "data"), Path(scratch, "runs"), Path(scratch, "cache"))
        prepare(known.get("sources", "demo"), given=None, folder=place.data / "demo", cache=place.cache, own=OwnData())
        for number in range(asked.count):
            table = changed(chance.choice(recipes), chance)
            try:
                recipe = check_recipe(table, "recipe.toml", known)
                if recipe.data.use == "demo" and recipe.strategy.use == QUICK:
                    list(plan(recipe, place, known, 0.0, lambda *_: None))
                    ended["planned"] += 1
                else:
                    ended["a recipe"] += 1
            except RecipeError as error:
                ended["refused"] += 1
                if not error.problems or not all(path for path, _ in error.problems):
                    bad += 1
                    print(f"{number}: no key is named: {error}\n{table}", file=sys.stderr)
            except SrlError as error:
                ended[type(error).__name__] += 1
                if error.exit_code == 1:
                    bad += 1
                    print(f"{number}: {error!r}", file=sys.stderr)
            except Exception:
                bad += 1
                ended["traceback"] += 1
                print(f"{number}: {json.dumps(table, default=str)}\n{traceback.format_exc()}", file=sys.stderr)
    print(json.dumps({"recipes": asked.count, "wrong": bad, "ended": dict(ended)}))
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
