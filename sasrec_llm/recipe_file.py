"""TOML to `Recipe`: read, inherit, override, check. Every problem is reported at once, with its key path."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from sasrec_llm.components import Settings, StrategyComponent
from sasrec_llm.errors import ComponentError, RecipeError
from sasrec_llm.plugins import Plugins, suggestion
from sasrec_llm.recipe import SECTIONS, Choice, Data, Evaluate, Head, Recipe, Stage

M = TypeVar("M", bound=BaseModel)
Problems = list[tuple[str, str]]
TABLES = ("data", *SECTIONS, "stages", "evaluate")
PHRASES = {
    "missing": "is required",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must be lower-case letters, digits, and . _ - between them",
    "too_short": "must not be empty",
}


def load_recipe(path: Path, overrides: Sequence[str], plugins: Plugins) -> Recipe:
    return check_recipe(apply(read_toml(path), overrides), str(path), plugins)


def read_toml(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A recipe file as a table, with what it extends underneath."""
    if not path.is_file():
        nearby = sorted(found.name for found in path.parent.glob("*.toml")) if path.parent.is_dir() else []
        close = suggestion(path.name, nearby)
        raise RecipeError(str(path), [("", f"no such file{close}")])
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(str(path), [("", f"is not TOML: {error}")]) from error
    base = table.pop("extends", None)
    if base is None:
        return table
    if not isinstance(base, str):
        raise RecipeError(str(path), [("extends", "must be the path of a recipe")])
    parent = (path.parent / base).resolve()
    if parent in (*seen, path.resolve()):
        raise RecipeError(str(path), [("extends", f"{base} extends this recipe: a circle")])
    return merge(read_toml(parent, (*seen, path.resolve())), table)


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged; a section with another `use` replaces the one below; anything else replaces."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and value.get("use", old.get("use")) == old.get("use"):
            result[key] = merge(old, value)
        else:
            result[key] = value
    return result


def apply(table: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """`stages.align.epochs=3`: the value is read as TOML and, failing that, as a string."""
    for override in overrides:
        path, equals, text = override.partition("=")
        keys = [key.strip() for key in path.split(".")]
        if not equals or not all(keys):
            raise RecipeError("--set", [(override, "must be KEY.PATH=VALUE")])
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        for key in reversed(keys):
            value = {key: value}
        table = merge(table, value)
    return table


def check_recipe(table: Mapping[str, Any], where: str, plugins: Plugins) -> Recipe:
    """A `Recipe`, or one `RecipeError` with everything that is wrong."""
    problems: Problems = []
    head = checked(
        Head, {key: value for key, value in table.items() if key not in TABLES}, "", problems, known=TABLES
    )
    data = checked(Data, _table(table, "data", problems, required=True), "data", problems)
    evaluate = checked(Evaluate, _table(table, "evaluate", problems), "evaluate", problems)
    choices = {}
    for section in SECTIONS:
        if section in table or section == "strategy":
            choice = _choice(section, _table(table, section, problems, required=True), plugins, problems)
            if choice:
                choices[section] = choice
    stages = {}
    for name, value in _table(table, "stages", problems).items():
        stage = checked(Stage, value, f"stages.{name}", problems)
        if stage:
            stages[name] = stage
    _fit(choices, stages, plugins, problems)
    if evaluate:
        _names(evaluate, stages, plugins, problems)
    if problems or not (head and data and evaluate):
        raise RecipeError(where, problems)
    return Recipe(head, data, choices, stages, evaluate)


def checked(
    model: type[M], value: Any, path: str, problems: Problems, known: Sequence[str] = ()
) -> M | None:
    """Validate one table; what is wrong goes to `problems` under its full key path."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for found in error.errors():
            keys = [str(key) for key in found["loc"]]
            full = ".".join(part for part in (path, *keys) if part)
            if found["type"] == "extra_forbidden":
                names = [*_fields(model, keys[:-1]), *(known if len(keys) == 1 else ())]
                problems.append((full, f"unknown key{suggestion(keys[-1], names)}"))
                continue
            phrase = PHRASES.get(found["type"])
            text = phrase.format(**found.get("ctx", {})) if phrase else found["msg"][:1].lower() + found["msg"][1:]
            got = "" if found["type"] == "missing" else f" (got {found['input']!r})"
            problems.append((full, text + got))
        return None


def _fields(model: type[BaseModel], keys: Sequence[str]) -> list[str]:
    """The field names of the (nested) model that `keys` lead to."""
    for key in keys:
        annotation = model.model_fields[key].annotation if key in model.model_fields else None
        nested = [t for t in (annotation, *get_args(annotation)) if isinstance(t, type) and issubclass(t, BaseModel)]
        if not nested:
            return []
        model = nested[0]
    return list(model.model_fields)


def _table(table: Mapping[str, Any], key: str, problems: Problems, required: bool = False) -> dict[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        problems.append((key, f"must be a table (got {value!r})"))
        return {}
    if required and key not in table:
        problems.append((key, f"is required: a [{key}] table with `use`"))
    return value


def _choice(section: str, table: dict[str, Any], plugins: Plugins, problems: Problems) -> Choice | None:
    name = table.get("use")
    if not isinstance(name, str):
        if table:
            problems.append((f"{section}.use", "is required" if name is None else f"must be a string (got {name!r})"))
        return None
    kind = SECTIONS[section]
    if name not in plugins.offers(kind):
        problems.append((f"{section}.use", plugins.unknown(kind, name)))
        return None
    rest = {key: value for key, value in table.items() if key != "use"}
    settings: Settings | None = checked(plugins.get(kind, name).settings, rest, section, problems)
    return Choice(name, settings) if settings else None


def _fit(
    choices: Mapping[str, Choice], stages: Mapping[str, Stage], plugins: Plugins, problems: Problems
) -> None:
    """Do the parts fit the strategy, and the stages both?"""
    if "strategy" not in choices:
        return
    strategy: StrategyComponent[Any, Any] = plugins.get("strategies", choices["strategy"].use)
    for section, needs in strategy.needs.items():
        if section not in choices:
            problems.append((section, f"is required by strategy {strategy.name!r}"))
        else:
            _lacks(section, needs, f"strategy {strategy.name!r}", choices, plugins, problems)
    for section in choices:
        if section not in strategy.needs and section != "strategy":
            problems.append((section, f"strategy {strategy.name!r} has no {section}: remove the table"))
    for name, stage in stages.items():
        path = f"stages.{name}"
        objective = strategy.objectives.get(stage.objective)
        if objective is None:
            known = list(strategy.objectives)
            text = f"strategy {strategy.name!r} has no objective {stage.objective!r}"
            problems.append((f"{path}.objective", text + (suggestion(stage.objective, known) or f"; known: {known}")))
            continue
        for section, needs in objective.needs.items():
            _lacks(section, needs, f"objective {stage.objective!r}", choices, plugins, problems, f"{path}.objective")
        for key, parts in (("train", stage.train), ("lrs", stage.lrs)):
            for part in parts:
                if part not in objective.train:
                    text = f"objective {stage.objective!r} trains no {part!r}"
                    problems.append((f"{path}.{key}", text + (suggestion(part, list(objective.train)) or f"; it can train {list(objective.train)}")))
        every = {part for known in strategy.objectives.values() for part in known.train}
        for part in stage.load:
            if part not in every:
                problems.append((f"{path}.load.{part}", f"no such part{suggestion(part, sorted(every))}"))
        if "lora" in stage.train and getattr(getattr(choices.get("backbone"), "settings", None), "lora", 0) is None:
            problems.append((f"{path}.train", "trains lora, but backbone.lora is not set"))


def _lacks(
    section: str, needs: frozenset[str], who: str, choices: Mapping[str, Choice], plugins: Plugins,
    problems: Problems, path: str = "",
) -> None:
    if section not in choices:
        return
    component = plugins.get(SECTIONS[section], choices[section].use)
    lacking = sorted(needs - component.offers)
    if lacking:
        fits = sorted(name for name, (found, _) in plugins.offers(SECTIONS[section]).items() if needs <= found.offers)
        text = f"{section} {component.name!r} has no {', '.join(lacking)}, which {who} needs; these have: {', '.join(fits)}"
        problems.append((path or f"{section}.use", text))


def _names(evaluate: Evaluate, stages: Mapping[str, Stage], plugins: Plugins, problems: Problems) -> None:
    metrics = [("evaluate.metrics", name) for name in evaluate.metrics]
    metrics += [(f"stages.{key}.metric", stage.metric) for key, stage in stages.items()]
    for path, name in metrics:
        if name not in plugins.offers("metrics"):
            problems.append((path, plugins.unknown("metrics", name)))
    for name in evaluate.floors:
        if name not in plugins.offers("encoders"):
            problems.append(("evaluate.floors", plugins.unknown("encoders", name)))
        elif "fit" not in plugins.get("encoders", name).offers:
            problems.append(("evaluate.floors", f"encoder {name!r} has no closed form (capability fit)"))


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


__all__ = ["ComponentError", "apply", "check_recipe", "checked", "load_recipe", "merge", "read_toml", "schema"]
