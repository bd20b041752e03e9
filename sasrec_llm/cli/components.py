"""`srl components [KIND]`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from sasrec_llm.cli.completion import kinds
from sasrec_llm.cli.output import print_json, print_rows, print_text
from sasrec_llm.cli.run import Json
from sasrec_llm.components import KINDS, StrategyComponent
from sasrec_llm.errors import UsageError
from sasrec_llm.plugins import PluginRow, plugins, singular, suggestion


def components(
    kind: Annotated[str | None, typer.Argument(help=f"One of: {', '.join(KINDS)}", autocompletion=kinds)] = None,
    json: Json = False,
) -> None:
    """List what can be named in a recipe; of one kind, with settings, defaults and papers.

    Example: srl components encoders
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"unknown kind {kind!r}{suggestion(kind, list(KINDS))}; known: {', '.join(KINDS)}")
    found = [(k, *entry) for k in ([kind] if kind else KINDS) for entry in plugins().offers(k).values()]
    if json:
        print_json([describe(k, component, row) for k, component, row in found])
        return
    for k in [kind] if kind else KINDS:
        print_text(f"{k}")
        shown = [[f"  {c.name}", c.summary, row.package] for found_kind, c, row in found if found_kind == k]
        print_rows(shown or [["  none", "", ""]])
        if kind:
            for _, component, _ in found:
                if rows := details(component):
                    print_text(f"\n{component.name}")
                    print_rows(rows)
            _papers([component for _, component, _ in found])


def details(component: Any) -> list[list[str]]:
    """Settings with their defaults, and objectives, as rows of a table."""
    settings = describe("", component, None).get("settings", {})
    rows = [[f"  {name}", f"= {field['default']}", field["help"]] for name, field in settings.items()]
    objectives = component.objectives.items() if isinstance(component, StrategyComponent) else ()
    return rows + [[f"  objective {name}", f"trains {', '.join(o.train)}", o.summary] for name, o in objectives]


def _papers(components: Sequence[Any]) -> None:
    """Each paper once, with what is from it."""
    papers = dict.fromkeys(component.paper for component in components if component.paper)
    if papers:
        print_text("\npapers")
    for paper in papers:
        print_text(f"  {', '.join(one.name for one in components if one.paper == paper)}: {paper}")


def describe(kind: str, component: Any, row: PluginRow | None) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": singular(kind)}
    found |= {key: getattr(component, key) for key in ("name", "summary", "paper")}
    if row:
        found["owner"] = row.owner
    if hasattr(component, "settings"):
        found["settings"] = {
            name: {"default": _default(field), "help": field.description or ""}
            for name, field in component.settings.model_fields.items()
        }
    if hasattr(component, "offers"):
        found["offers"] = sorted(component.offers)
    if isinstance(component, StrategyComponent):
        found["objectives"] = {name: objective.summary for name, objective in component.objectives.items()}
    return found


def _default(field: Any) -> Any:
    """A field's default as plain values."""
    if field.is_required():
        return "(required)"
    value = field.get_default(call_default_factory=True)
    return value.model_dump() if isinstance(value, BaseModel) else value
