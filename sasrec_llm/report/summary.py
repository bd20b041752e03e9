"""The first thing on the page: what was asked, what came out, and whether the best floor was beaten."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sasrec_llm.evaluation.bootstrap import Difference, Figure
from sasrec_llm.report.measures import POINTS, bounds, figure_of, first_best, gain, headlines
from sasrec_llm.report.records import Contents, Measure, Training
from sasrec_llm.report.tables import number

ASKED = {"like": "will the user like it?", "next-item": "what comes next?"}


@dataclass(frozen=True, slots=True)
class Tile:
    """A headline figure, and the best floor's beside it."""

    measure: Measure
    system: str
    found: Figure
    floor: str
    against: Figure
    apart: Difference | None  # system less floor

    @property
    def standing(self) -> str:
        """How the system stands to the floor, in words."""
        if not self.floor or self.found.value is None or self.against.value is None:
            return ""
        ahead = gain(self.measure, self.found.value, self.against.value or 1e-12)
        distance = number(abs(self.found.value - self.against.value))
        if ahead is None or distance == ".0000":
            return f"level with {self.floor}"
        return f"{distance} {'better' if ahead > 0 else 'worse'} than {self.floor}, {number(self.against.value)}"


def tiles(contents: Contents) -> list[Tile]:
    """Of one run its own figures; of several those of the best system in each metric."""
    names = headlines(contents.task, contents.measures) + ([POINTS] if POINTS in contents.measures else [])
    return [_tile(contents, contents.measures[name]) for name in names]


def _tile(contents: Contents, measure: Measure) -> Tile:
    table = contents.whole
    system = first_best(table, measure, contents.of("system")) or contents.of("system")[0]
    floor = first_best(table, measure, contents.of("floor"))
    found, against = (figure_of(table, name, measure.name) for name in (system, floor))
    apart = table.differences.get(system, {}).get(measure.name) if floor == contents.reference else None
    return Tile(measure, system, found, floor, against, apart)


def sentences(contents: Contents) -> Iterable[str]:
    table, data, own = contents.whole, contents.data, contents.of("system")
    asked = f"{table.rows:,} test rows of {table.users:,} users in {data['name']}, split by protocol {data['protocol']}"
    who = own[0] if len(own) == 1 else f"{len(own)} systems"
    yield f"{who} answered {asked}: {ASKED[contents.task]}"
    lead = tiles(contents)[0]
    best = f"the best of them, {lead.system}, is" if len(own) > 1 else "it is"
    if lead.standing:
        yield f"In {lead.measure.title} {best} {lead.standing}, the best floor{_sure(lead.apart)}."
    yield from (text for found in contents.trainings if len(contents.trainings) == 1 for text in _trained(found))
    small = [found for found in contents.test if found.small]
    if small:
        listed = ", ".join(f"{found.subset} ({found.rows:,} rows, {found.users:,} users)" for found in small)
        yield f"Too small to mean anything, shown in grey and never ranked on: {listed}."
    if any(bounds(found) for values in table.systems.values() for found in values.values()):
        yield "Brackets are 95 % intervals by bootstrap over users: other users would have given other figures."
        if any(found.sd is not None for values in table.systems.values() for found in values.values()):
            yield "Of several seeds the mean is shown, with ± their standard deviation."
    else:
        yield (
            "This run was scored by a version of srl that gave no intervals. Run its recipe again to get them: "
            "what is trained is not trained again."
        )


def _sure(apart: Difference | None) -> str:
    """What the paired bootstrap says of a difference; intervals that overlap would say nothing."""
    if apart is None or apart.low is None or apart.high is None:
        return ""
    chance = "no more than chance among users" if apart.low <= 0 <= apart.high else "more than chance among users"
    return f"; the difference lies in [{number(apart.low, 3)}, {number(apart.high, 3)}] (95 %, paired): {chance}"


def _trained(found: Training) -> Iterable[str]:
    seconds = sum(stage.seconds or 0 for stage in found.stages)
    if not found.stages:
        yield "Nothing was trained."
        return
    early = [stage.name for stage in found.stages if stage.stopped_early]
    names = ", ".join(stage.name for stage in found.stages)
    text = f"Stages: {names}; {duration(seconds)} of training"
    yield text + (f". Stopped early: {', '.join(early)}." if early else ".")


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def costs(contents: Contents) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Column names, and a row of text for each system whose cost is known."""
    found = [(name, contents.costs[name]) for name in contents.systems if name in contents.costs]
    header = ["System", "Parameters trained", "Training", "Pairs scored per second", "Peak memory"]
    return header, [
        [
            name,
            _known(cost.trained_parameters, "{:,.0f}"),
            "–" if cost.seconds is None else duration(cost.seconds),
            _known(cost.pairs_per_second, "{:,.0f}"),
            _known(cost.peak_memory_mb, "{:,.0f} MB"),
        ]
        for name, cost in found
    ]


def stages(contents: Contents) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    header = ["Stage", "Objective", "Trained parts", "Epochs", "Seconds"]
    return header, [
        [
            stage.name if len(contents.trainings) == 1 else f"{found.system}, seed {found.seed}: {stage.name}",
            stage.objective,
            ", ".join(f"{part} {count:,}" for part, count in stage.trained.items()) or "–",
            _known(stage.epochs, "{}"),
            _known(stage.seconds, "{:,.0f}"),
        ]
        for found in contents.trainings
        for stage in found.stages
    ]


def _known(value: float | None, form: str) -> str:
    return "–" if value is None or value != value else form.format(value)
