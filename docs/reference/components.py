"""docs/components.md: everything built in that a recipe can name, with settings, capabilities and papers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reference.markdown import GENERATED, code, codes, linked, prose, sentence, table
from sasrec_llm import builtin
from sasrec_llm.components import KINDS, Component, MetricComponent, Source, StrategyComponent
from sasrec_llm.hookspecs import Offers
from sasrec_llm.plugins import Plugins

INTRODUCTION = """
What can be named in a recipe or prepared by name, and what each can be told. Plugins add to it: `srl components KIND`
lists what is installed on your machine. Capabilities (*offers*, *needs*) are explained in [plugins](plugins.md).
"""
BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}


def page() -> str:
    shipped = Plugins()
    shipped.add(builtin, "builtin")
    parts = [f"{GENERATED}# Components", INTRODUCTION.strip()]
    for kind in KINDS:
        parts += [f"## {kind.capitalize()}", inspect.getdoc(getattr(Offers, f"srl_{kind}")) or ""]
        found = [component for component, _ in shipped.offers(kind).values()]
        if kind == "metrics":
            parts.append(table(["metric", "task", "what it is", "paper"], metrics(found)))
        else:
            parts += [part for component in found for part in section(component)]
    return "\n\n".join(parts) + "\n"


def section(component: Component[Any, Any] | Source) -> Iterator[str]:
    yield f"### {component.name}"
    yield sentence(prose(component.summary))
    if component.paper:
        yield f"Paper: {linked(component.paper)}."
    if isinstance(component, Source):
        yield sentence(f"Licence: {prose(component.licence)}")
        return
    if told := list(capabilities(component)):
        yield " ".join(told)
    rows = list(settings(component.settings.model_json_schema()))
    yield table(["setting", "default", "meaning"], rows) if rows else "Nothing to set."
    if isinstance(component, StrategyComponent):
        yield from training(component)


def capabilities(component: Component[Any, Any]) -> Iterator[str]:
    if component.offers:
        yield f"Offers {codes(sorted(component.offers))}."
    for said, wanted in (("Needs", component.needs), ("May have", component.may)):
        if wanted:
            parts = [f"{section} with {codes(sorted(of))}" if of else section for section, of in wanted.items()]
            yield f"{said} {', '.join(parts)}."


def training(strategy: StrategyComponent[Any, Any]) -> Iterator[str]:
    if strategy.objectives:
        rows = [[code(name), codes(one.train), prose(one.summary)] for name, one in strategy.objectives.items()]
        yield table(["objective", "trains", "what is learned"], rows)
    if strategy.ablations:
        yield table(["ablation", "what it does"], [[code(name), prose(it)] for name, it in strategy.ablations.items()])


def settings(schema: Mapping[str, Any], prefix: str = "") -> Iterator[list[str]]:
    """A row for each setting; a table within is told key by key."""
    defined = schema.get("$defs", {})
    for name, field in schema.get("properties", {}).items():
        ways = field.get("anyOf", [field])
        inner = next((way["$ref"].rpartition("/")[2] for way in ways if "$ref" in way), None)
        if inner:
            yield from settings({**defined[inner], "$defs": defined}, f"{prefix}{name}.")
        else:
            default = "required" if name in schema.get("required", ()) else toml(field.get("default"))
            yield [code(prefix + name), default, meaning(field, ways)]


def toml(value: Any) -> str:
    """A default as a recipe would say it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return code(str(value).lower())
    return code(f'"{value}"' if isinstance(value, str) else str(value).replace("'", '"'))


def meaning(field: Mapping[str, Any], ways: list[Mapping[str, Any]]) -> str:
    values = [value for way in ways for value in way.get("enum", [way["const"]] if "const" in way else [])]
    values += field.get("items", {}).get("enum", [])
    if values and any(way.get("type") == "boolean" for way in ways):
        values += ["true", "false"]
    bounds = [f"{word} {way[key]:g}" for way in ways for key, word in BOUNDS.items() if key in way]
    limits = codes(values) if values else " and ".join(bounds)
    text = prose(field.get("description", ""))
    return f"{text} ({limits})" if text and limits else text or limits


def metrics(found: list[MetricComponent]) -> Iterator[list[str]]:
    """A row for each metric, and one for all cuts of a metric "@k"."""
    cuts: dict[str, list[int]] = {}
    for metric in found:
        if metric.at:
            cuts.setdefault(metric.name.partition("@")[0], []).append(metric.at)
    for metric in found:
        name, summary = metric.name, metric.summary
        if metric.at:
            name = metric.name.partition("@")[0]
            if metric.at != cuts[name][-1]:
                continue
            summary = re.sub(rf"\b{metric.at}\b", "k", summary) + f"; k of {', '.join(map(str, cuts[name]))}"
            name += "@k"
        yield [code(name), metric.task, prose(summary), linked(metric.paper)]
