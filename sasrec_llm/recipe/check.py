"""A table to a `Recipe`. Every problem is reported at once, with its key path and, where there is one, a suggestion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from sasrec_llm.components import Settings
from sasrec_llm.errors import RecipeError
from sasrec_llm.plugins import Plugins, suggestion
from sasrec_llm.recipe.data import Data
from sasrec_llm.recipe.fit import Fit, Problems
from sasrec_llm.recipe.models import SECTIONS, TABLES, Choice, Evaluate, Head, Recipe, Stage

M = TypeVar("M", bound=BaseModel)
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


def check_recipe(table: Mapping[str, Any], where: str, plugins: Plugins) -> Recipe:
    """A `Recipe`, or one `RecipeError` with everything that is wrong."""
    problems: Problems = list(_too_large(table))
    head = checked(Head, {key: value for key, value in table.items() if key not in TABLES}, "", problems, known=TABLES)
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
    stated = [section for section in SECTIONS if section in table]
    Fit(data, choices, stated, stages, evaluate, plugins, problems).check()
    if problems or not (head and data and evaluate):
        raise RecipeError(where, problems)
    return Recipe(head, data, choices, stages, evaluate)


def checked(model: type[M], value: Any, path: str, problems: Problems, known: Sequence[str] = ()) -> M | None:
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
            said = found["msg"].removeprefix("Value error, ")
            text = phrase.format(**found.get("ctx", {})) if phrase else said[:1].lower() + said[1:]
            got = "" if found["type"] in ("missing", "value_error") else f" (got {found['input']!r})"
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


def _too_large(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """TOML numbers have 64 bits; what Python reads may have more."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        yield path, "must be a number of 64 bits"
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, found in inner:
        yield from _too_large(found, f"{path}.{key}".lstrip("."))


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
        if not any(path == section for path, _ in problems):  # else it is no table, or none is there
            problems.append((f"{section}.use", "is required" if name is None else f"must be a string (got {name!r})"))
        return None
    kind = SECTIONS[section]
    if name not in plugins.offers(kind):
        problems.append((f"{section}.use", plugins.unknown(kind, name)))
        return None
    rest = {key: value for key, value in table.items() if key != "use"}
    settings: Settings | None = checked(plugins.get(kind, name).settings, rest, section, problems)
    return Choice(name, settings) if settings else None
