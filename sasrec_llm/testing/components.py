"""One check for any component."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sasrec_llm.components import Component, MetricComponent, Source, StrategyComponent
from sasrec_llm.plugins import Plugins
from sasrec_llm.testing.aligners import check_aligner
from sasrec_llm.testing.backbones import check_backbone
from sasrec_llm.testing.encoders import check_encoder
from sasrec_llm.testing.metrics import check_metric
from sasrec_llm.testing.sources import check_source
from sasrec_llm.testing.strategies import check_strategy

OF_BACKBONE = {"prompts", "lora", "texts", "writes"}
OF_ENCODER = {"fit", "like", "next-item", "vectors", "states", "causal", "table"}


def check_component(
    component: Any, settings: Mapping[str, Any] | None = None, *, kind: str = "", known: Plugins | None = None
) -> None:
    """Run the contract of the component's kind; whatever is broken is one AssertionError.

    A `Component` is an encoder, an aligner or a backbone: what it offers and needs tells which, and `kind` says so
    where it does not. `settings` are those that have no default, or not a small one; of a source, see `check_source`.
    `known` are the plugins whose parts it may be made of; by default the installed ones.
    """
    match kind or kind_of(component):
        case "source":
            check_source(component, settings)
        case "metric":
            check_metric(component)
        case "strategy":
            check_strategy(component, settings, known)
        case "aligner":
            check_aligner(component, settings, known)
        case "backbone":
            check_backbone(component, settings)
        case "encoder":
            check_encoder(component, settings, known)
        case other:
            raise AssertionError(f"there is no kind {other!r}")


def kind_of(component: Any) -> str:
    match component:
        case Source():
            return "source"
        case MetricComponent():
            return "metric"
        case StrategyComponent():
            return "strategy"
        case Component() if component.offers & OF_BACKBONE:
            return "backbone"
        case Component() if component.offers & OF_ENCODER:
            return "encoder"
        case Component() if "encoder" in component.needs:
            return "aligner"
        case Component():
            raise AssertionError(f'{component.name!r} offers and needs nothing that tells its kind: kind="aligner"?')
    raise AssertionError(f"{type(component).__name__} is no component")
