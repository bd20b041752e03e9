"""Which dataset is meant: one that a source offers, one that a TOML describes, or a person's own file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sasrec_llm.components import Plan, Source, resolve
from sasrec_llm.data.own import OWN_ONLY, OwnData, own_source, read_own_toml
from sasrec_llm.errors import DataError, UsageError
from sasrec_llm.plugins import Plugins, suggestion


@dataclass(frozen=True, slots=True)
class Wanted:
    """A dataset that can be prepared."""

    name: str
    source: Source
    own: OwnData
    given: Path | None  # what is read instead of a download


def find_wanted(what: str, given: Path | None, options: Mapping[str, Any], plugins: Plugins) -> Wanted:
    """`options`: keys of `OwnData` that are stated."""
    sources, described = plugins.offers("sources"), plugins.described()
    if what in sources:
        source, own = sources[what][0], _own(options)
    else:
        path = described.get(what, Path(what))
        if not path.suffix:
            known = sorted({*sources, *described})
            raise UsageError(
                f"unknown dataset {what!r}{suggestion(what, known)}; known: {', '.join(known)}",
                hint="Your own data: srl data prepare FILE.csv",
            )
        own = _own(options, path, given)
        source = own_source(own.name or path.name.split(".")[0].lower(), own.summary, own.licence)
        given = Path(own.interactions or what)
    for key in options:  # one that the source does not look at is an error, not ignored
        if key in OWN_ONLY - source.options:
            raise UsageError(f"--{key.replace('_', '-')} says nothing of {source.name} ({source.summary})")
    return Wanted(own.name or _named(source, own, given), source, own, given)


def _own(options: Mapping[str, Any], path: Path | None = None, folder: Path | None = None) -> OwnData:
    below = {}
    if path and path.suffix == ".toml" and path.is_file():
        below = read_own_toml(path, folder).model_dump()
    elif path and folder:
        below = {"interactions": str(folder / path)}
    try:
        return OwnData.model_validate({**below, **options})
    except ValidationError as error:
        first = error.errors()[0]
        option = "-".join(str(key) for key in first["loc"]).replace("_", "-")
        raise UsageError(f"--{option}: {first['msg'].lower()} (got {first['input']!r})") from error


def _named(source: Source, own: OwnData, given: Path | None) -> str:
    """The name of a source's dataset."""
    if source.plan is None:
        return source.name
    if given and not given.exists():
        raise DataError(f"there is no {given}")
    plan: Plan = resolve(source.plan)(own, given)
    return plan.name
