"""What a stage depends on, as one hash; what a part must match to fit."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from sasrec_llm.components import StrategyComponent
from sasrec_llm.data.interactions import Interactions
from sasrec_llm.devices import Device
from sasrec_llm.durable import digest
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import SECTIONS, Recipe

SECTION_OF = {"encoder": "encoder", "aligner": "aligner", "lora": "backbone"}  # other parts are their strategy's


def stage_identity(
    name: str,
    recipe: Recipe,
    data: Interactions,
    device: Device,
    plugins: Plugins,
    origin: Mapping[str, str],
    depends_on: str = "",
) -> str:
    """Hash of the stage's settings, the sections its objective uses and who offers them, what the parts it starts from
    hold (`origin`: part -> identity of the stage that trained it), what the strategy depends on beside the recipe,
    data, seed, device and versions."""
    stage = recipe.stages[name]
    strategy: StrategyComponent[Any, Any] = plugins.get("strategies", recipe.strategy.use)
    sections = list(strategy.objectives[stage.objective].uses)
    if "encoder" in sections:  # with what it can do without, but was given
        encoder = plugins.get("encoders", recipe.choices["encoder"].use)
        sections += [section for section in encoder.may if section in recipe.choices and section not in sections]
    return digest(
        [
            name,
            stage.model_dump(exclude={"load"}),
            {section: recipe.choices[section].identity() for section in sections},
            [plugins.offers(SECTIONS[section])[recipe.choices[section].use][1].owner for section in sections],
            {part: origin.get(part, "new") for part in strategy.parts if SECTION_OF.get(part, "strategy") in sections},
            depends_on,
            data.sha256,
            recipe.head.seed,
            [device.name, device.half],
            [version("sasrec-llm"), version("torch")],
        ]
    )


def about_part(recipe: Recipe, data: Interactions, part: str) -> dict[str, Any]:
    """The component a part belongs to and the size of its world; LoRA's own settings are checked by its adapter."""
    component = recipe.choices[SECTION_OF.get(part, "strategy")].identity()
    component.pop("lora", None)
    return {"part": part, "component": component, "n_users": data.n_users, "n_items": data.n_items}
