"""The items' texts, read into the cache before a recipe's parts are built, by all who are there to read.

The parts are those in which one process would read them, so the vectors are the same to the last bit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from sasrec_llm import processes
from sasrec_llm.backbones.vector_cache import TEXTS_PER_FILE
from sasrec_llm.data.training import Training
from sasrec_llm.interfaces import TextEmbedder
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Recipe
from sasrec_llm.runs import Workspace
from sasrec_llm.strategies.assemble import make
from sasrec_llm.systems import open_data, world


@dataclass(frozen=True, slots=True)
class Reading:
    """What there is to read, and who reads it, loaded when there is something."""

    texts: list[str]  # each once
    embedder: Callable[[], TextEmbedder]

    @classmethod
    def of(cls, recipe: Recipe, workspace: Workspace, plugins: Plugins) -> Reading:
        data = open_data(recipe, workspace, plugins)
        context = world(recipe, data, Training(data), workspace, plugins)
        embedder = functools.cache(lambda: make("backbone", recipe.choices["backbone"], context, plugins))
        return cls(list(dict.fromkeys(data.titles)), embedder)

    @property
    def parts(self) -> range:
        return range(-(-len(self.texts) // TEXTS_PER_FILE))

    def read(self, number: int) -> None:
        self.embedder().embed_texts(self.texts[number * TEXTS_PER_FILE : (number + 1) * TEXTS_PER_FILE])


def reads_texts(recipe: Recipe, plugins: Plugins) -> bool:
    """Whether something in the recipe starts from vectors of texts."""
    strategy = plugins.get("strategies", recipe.strategy.use)
    asked = set(strategy.needs.get("backbone", ()))
    if "encoder" in recipe.choices:
        asked |= set(plugins.get("encoders", recipe.choices["encoder"].use).may.get("backbone", ()))
    return "backbone" in recipe.choices and "texts" in asked


def read_ahead(recipe: Recipe, workspace: Workspace, plugins: Plugins) -> None:
    """Each process its share."""
    if processes.count() == 1 or not reads_texts(recipe, plugins):
        return
    reading = Reading.of(recipe, workspace, plugins)
    for number in reading.parts[processes.rank() :: processes.count()]:
        reading.read(number)
    processes.wait()
