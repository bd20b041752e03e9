"""The smallest parts there are of each section, built, for components that are made of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from pydantic import ValidationError

from sasrec_llm.components import BuildContext, Component
from sasrec_llm.plugins import Plugins, plugins
from sasrec_llm.recipe import SECTIONS, Choice
from sasrec_llm.strategies.assemble import make
from sasrec_llm.testing.world import context

FIRST = {"backbone": "tiny-llama", "encoder": "sasrec", "aligner": "mlp"}  # in the order they are built
SMALL: dict[str, dict[str, Any]] = {
    "tiny-llama": {"width": 16, "layers": 1, "heads": 2, "vocabulary": 400, "pretrain_steps": 2},
    "sasrec": {"width": 8},
}
BESIDE_ALIGNER = {"encoder": frozenset({"vectors"}), "backbone": frozenset({"prompts"})}
Needs = Mapping[str, frozenset[str]]  # section -> capabilities


def tiny_backbone() -> Any:
    """A real Llama of 16 dimensions with its tokenizer and a LoRA adapter; made in a second, then kept in the cache."""
    return build_parts({"backbone": frozenset({"prompts", "lora"})}, context(), plugins()).backbone


def build_parts(needs: Needs, world: BuildContext, known: Plugins) -> BuildContext:
    """The world with the smallest part of each section that offers what is needed of it."""
    for section, capabilities in needs.items():
        if smallest(section, capabilities, known) is None:
            offers = ", ".join(sorted(capabilities)) or "any abilities"
            raise AssertionError(f"no {section} that is installed offers {offers}")
    for section in FIRST:
        choice = smallest(section, needs[section], known) if section in needs else None
        if choice:
            torch.manual_seed(world.seed)
            part = make(section, choice, world, known)
            part.train(False)
            world = replace(world, **{section: part})
    return world


def smallest(section: str, needs: frozenset[str], known: Plugins) -> Choice | None:
    """The usual one if it will do, or else any that will and can be had without settings and without other parts."""
    offers: dict[str, tuple[Component[Any, Any], Any]] = known.offers(SECTIONS[section])
    for name in [FIRST[section], *(name for name, (found, _) in offers.items() if not found.needs)]:
        component = offers[name][0]
        if needs <= component.offers:
            try:
                return Choice(name, component.settings.model_validate(SMALL.get(name, {})))
            except ValidationError:
                continue
    return None


def together(*needs: Needs) -> dict[str, frozenset[str]]:
    """What several ask for, of every section."""
    sections = dict.fromkeys(section for each in needs for section in each)
    return {section: frozenset().union(*(each.get(section, ()) for each in needs)) for section in sections}
