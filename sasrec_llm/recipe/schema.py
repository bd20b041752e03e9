"""The JSON Schema of recipes, for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.data import Data
from sasrec_llm.recipe.models import SECTIONS, Evaluate, Head, Stage
from sasrec_llm.recipe.search import Keys
from sasrec_llm.recipe.space import Range


def schema(plugins: Plugins) -> dict[str, Any]:
    """JSON Schema of a recipe, with the settings of every installed component."""
    properties: dict[str, Any] = {"extends": {"type": "string"}, **Head.model_json_schema()["properties"]}
    definitions: dict[str, Any] = {}

    def add(model: type[BaseModel], extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
        found = model.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(found.pop("$defs", {}))
        if extra:
            found["properties"] = {**extra, **found.get("properties", {})}
            found["required"] = ["use"]
        return found

    properties["data"], properties["evaluate"] = add(Data), add(Evaluate)
    stage = add(Stage)
    stage.pop("required", None)  # a recipe that extends another may state a part of a stage
    properties["stages"] = {"type": "object", "additionalProperties": stage}
    tried = {"anyOf": [{"type": "array"}, Range.model_json_schema(), {"type": "object"}]}
    properties["search"] = {**Keys.model_json_schema(), "additionalProperties": tried}
    for section, kind in SECTIONS.items():
        properties[section] = {
            "anyOf": [
                add(found.settings, {"use": {"const": name, "description": found.summary}})
                for name, (found, _) in sorted(plugins.offers(kind).items())
            ]
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sasrec_llm recipe",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "$defs": definitions,
    }
