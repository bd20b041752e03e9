"""A recipe from its text to its figures, on tiny data."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from sasrec_llm.experiment import run
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.file import apply, read_toml
from sasrec_llm.recipe.search import check_all
from sasrec_llm.testing.data import NAME, tiny_workspace
from sasrec_llm.testing.promises import promise


def run_recipe(
    recipe: str | Path, *modules: object, changes: Sequence[str] = (), folder: Path | None = None
) -> dict[str, float | None]:
    """Run a recipe, its text or the path of its file, on the dataset `tiny` whatever its own, and return the figures of
    the finished system on the test rows by metric; None is one that is not defined.

    `modules` are plugins that need not be installed. `changes` are those of `--set`. `folder` keeps `data` and `runs`;
    by default nothing is kept. Floors are left out unless the recipe names some.
    """
    known = with_modules(*modules)
    with tempfile.TemporaryDirectory() as scratch:
        path = recipe if isinstance(recipe, Path) else Path(scratch, "recipe.toml")
        if isinstance(recipe, str):
            path.write_text(recipe, encoding="utf-8")
        table = apply(read_toml(path, known), [f"data.use={NAME}", *changes])
        if "floors" not in table.get("evaluate", {}):
            table = apply(table, ["evaluate.floors=[]"])
        checked = check_all(table, path.name, known)
        place = tiny_workspace(folder or Path(scratch))
        outcome = run(checked, path.read_text(encoding="utf-8"), place, known, page=False)
    return outcome.tables["test"][0].values(outcome.system)


def with_modules(*modules: object) -> Plugins:
    """The installed plugins and these."""
    known = Plugins()
    known.load()
    for module in modules:
        if not known.manager.is_registered(module):
            row = known.add(module, getattr(module, "__name__", "given"))
            promise(row.status == "ok", row.error)
    return known
