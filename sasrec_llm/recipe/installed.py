"""Recipes by name: every recipe of an installed package can be named wherever a recipe file is taken."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sasrec_llm.errors import UsageError
from sasrec_llm.plugins import Plugins, suggestion

CHECKOUT = "recipes/"  # where the shipped ones are in a checkout, and how the documentation writes them


@dataclass(frozen=True, slots=True)
class Installed:
    """A TOML in a folder of recipes; those in its `data/` describe datasets."""

    name: str  # `sasrec`, `next_item/sasrec`, `data/beauty`
    path: Path

    @property
    def describes_data(self) -> bool:
        return self.name.startswith("data/")


def installed(plugins: Plugins) -> list[Installed]:
    return [
        Installed(path.relative_to(folder).with_suffix("").as_posix(), path)
        for folder in plugins.recipe_folders()
        for path in sorted(folder.glob("**/*.toml"), key=lambda path: (path.parent, path.name))
    ]


def find_recipe(given: Path, plugins: Plugins, here: Path = Path(), data: bool = False) -> Path:
    """The file `given` from the folder `here`, or else the installed recipe of that name: `next_item/sasrec`, `sknn`
    where there is one alone, `recipes/next_item/sasrec.toml`. With `data`, also a description of data."""
    if (here / given).is_file():
        return here / given
    known = [found for found in installed(plugins) if data or not found.describes_data]
    name = given.as_posix()
    if name.startswith(CHECKOUT):
        name = name.removeprefix(CHECKOUT).removesuffix(".toml")
    found = [one for one in known if one.name == name] or [one for one in known if one.path.stem == name]
    if len(found) == 1:
        return found[0].path
    if found:
        raise UsageError(
            f"more than one recipe is called {name!r}: " + ", ".join(one.name for one in found),
            hint="Name one by its path: " + " or ".join(str(one.path) for one in found),
        )
    nearby = sorted(near.name for near in (here / given).parent.glob("*.toml"))
    names = [other for one in known for other in (one.name, one.path.stem)]
    close = suggestion(given.name, nearby) or suggestion(name, names)
    raise UsageError(f"there is no recipe {given}{close}", hint="List those that are installed: srl recipes ls")


def name_from(here: Path, path: Path, plugins: Plugins) -> str:
    """How a file in the folder `here` names a recipe: an installed one by its name, any other by the way there."""
    known = installed(plugins)
    name = next((found.name for found in known if found.path.resolve() == path.resolve()), None)
    if name and sum(found.name == name for found in known) == 1:
        return name
    return Path(os.path.relpath(path.resolve(), here.resolve())).as_posix()
