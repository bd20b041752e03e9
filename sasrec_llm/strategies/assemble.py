"""A recipe's parts, built in order, as one strategy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from sasrec_llm.components import BuildContext
from sasrec_llm.errors import ComponentError, ModelError, SrlError, out_of_memory
from sasrec_llm.interfaces import Backbone, Strategy
from sasrec_llm.plugins import OWN, Plugins
from sasrec_llm.recipe import SECTIONS, Choice

ORDER = ("backbone", "encoder", "aligner", "strategy")


def assemble(
    choices: Mapping[str, Choice], context: BuildContext, plugins: Plugins
) -> tuple[Strategy, Backbone | None]:
    """Build with the context's seed, leaving the caller's random state as it was; and the backbone by itself."""
    with torch.random.fork_rng(devices=[]):
        for section in ORDER:
            if section in choices:
                torch.manual_seed(context.seed)
                part = make(section, choices[section], context, plugins)
                if section == "strategy":
                    return part, context.backbone
                part.to(context.device).train(False)  # only a stage turns dropout on
                context = replace(context, **{section: part})
    raise ValueError("a recipe without a strategy")


def make(section: str, choice: Choice, context: BuildContext, plugins: Plugins) -> Any:
    """A part, or an error that says whose part could not be built."""
    component, row = plugins.offers(SECTIONS[section])[choice.use]
    try:
        found = component.make(choice.settings, context)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise ModelError(
            f"{section}: {choice.use!r} as it is set does not fit into memory",
            hint="Make it smaller; its settings: srl components",
        ) from error
    except SrlError:
        raise
    except Exception as error:
        if row.name == OWN:
            raise
        raise ComponentError(
            f"{section}: {choice.use!r} of {row.owner} cannot be built: {type(error).__name__}: {error}",
            hint="srl --debug shows where; its author should hear of it",
        ) from error
    if found is None:
        raise ComponentError(f"{section}: {choice.use!r} of {row.owner} builds nothing")
    return found
