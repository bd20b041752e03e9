"""Do the parts of a recipe fit each other? What does not is found here, before anything is loaded, with what would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sasrec_llm.components import Component, StrategyComponent, Task
from sasrec_llm.plugins import Plugins, suggestion
from sasrec_llm.protocols import DEFAULTS, FOLDS, TASKS
from sasrec_llm.recipe.data import Data
from sasrec_llm.recipe.models import SECTIONS, Choice, Evaluate, Stage, task_of

Problems = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Fit:
    """The tables of a recipe that are valid by themselves, and where to write what does not fit."""

    data: Data | None
    choices: Mapping[str, Choice]
    stated: Sequence[str]  # sections that the recipe has, also those whose settings are wrong
    stages: Mapping[str, Stage]
    evaluate: Evaluate | None
    plugins: Plugins
    problems: Problems

    def check(self) -> None:
        if self.data:
            self._protocol(self.data)
        if "strategy" in self.choices:
            strategy = self.plugins.get("strategies", self.choices["strategy"].use)
            self._sections(strategy)
            for name, stage in self.stages.items():
                self._stage(f"stages.{name}", stage, strategy)
            for name in self.evaluate.ablations if self.evaluate else ():
                if name not in strategy.ablations:
                    known = f"; known: {', '.join(strategy.ablations) or 'none'}"
                    self._say("evaluate.ablations", f"strategy {strategy.name!r} has no ablation {name!r}{known}")
        for section, component in self._components().items():
            for other, needs in {**component.needs, **component.may}.items():
                self._lacks(other, needs, f"{section} {component.name!r}")
        self._metrics()
        self._floors()

    @property
    def _task(self) -> Task | None:
        return task_of(self.data) if self.data else None

    def _components(self) -> dict[str, Component[Any, Any]]:
        """What is chosen, but for the strategy."""
        others = {section: choice.use for section, choice in self.choices.items() if section != "strategy"}
        return {section: self.plugins.get(SECTIONS[section], name) for section, name in others.items()}

    def _say(self, path: str, text: str) -> None:
        self.problems.append((path, text))

    def _protocol(self, data: Data) -> None:
        protocol, task = data.protocol, task_of(data)
        if task not in TASKS[protocol]:
            self._say("data.task", f"protocol {protocol!r} asks {' or '.join(TASKS[protocol])}, not {task}")
        if protocol == "k-fold":
            folds = data.folds or FOLDS
            if data.fold and data.fold > folds:
                self._say("data.fold", f"must be at most {folds}, since there are so many folds (got {data.fold})")
        else:
            for key in ("folds", "fold"):
                if getattr(data, key) is not None:
                    self._say(f"data.{key}", f"has no use: protocol {protocol!r} has no folds")
        if data.months and protocol != "collm":
            self._say("data.months", f"has no use: protocol {protocol!r} does not split by months")
        if data.asks and (protocol, task) != ("temporal", "next-item"):
            self._say("data.asks", f"has no use: protocol {protocol!r} for the task {task!r} has one way of asking")

    def _sections(self, strategy: StrategyComponent[Any, Any]) -> None:
        for section, needs in strategy.needs.items():
            if section not in self.stated:
                self._say(section, f"is required by strategy {strategy.name!r}; {self._choices(section, needs)}")
        for section, needs in {**strategy.needs, **strategy.may}.items():
            self._lacks(section, needs, f"strategy {strategy.name!r}")
        usable = {**strategy.needs, **strategy.may}
        for component in self._components().values():
            usable |= component.may
        for section in self.stated:
            if section != "strategy" and section not in usable:
                takes = ", ".join(usable) or "none"
                self._say(section, f"strategy {strategy.name!r} has no {section}: remove the table; it takes: {takes}")
        if self._task == "next-item":
            for section in sorted(strategy.to_rank - set(self.stated)):
                self._say(
                    section,
                    f"is required by strategy {strategy.name!r} to rank: it picks the items to look at closely; "
                    + self._choices(section, strategy.may[section]),
                )

    def _stage(self, path: str, stage: Stage, strategy: StrategyComponent[Any, Any]) -> None:
        objective = strategy.objectives.get(stage.objective)
        if objective is None:
            known = list(strategy.objectives)
            if not known:
                self._say(path, f"strategy {strategy.name!r} is not trained: remove the table")
                return
            text = f"strategy {strategy.name!r} has no objective {stage.objective!r}"
            self._say(f"{path}.objective", text + (suggestion(stage.objective, known) or f"; known: {known}"))
            return
        for section, needs in objective.needs.items():
            if section not in self.stated:
                self._say(f"{path}.objective", f"{stage.objective!r} needs a [{section}] table")
            else:
                self._lacks(section, needs, f"objective {stage.objective!r}", f"{path}.objective")
        for key, parts in (("train", stage.train), ("lrs", stage.lrs)):
            for part in parts:
                if part not in objective.train:
                    text = f"objective {stage.objective!r} trains no {part!r}"
                    can = suggestion(part, list(objective.train)) or f"; it can train {list(objective.train)}"
                    self._say(f"{path}.{key}", text + can)
        for part in stage.load:
            if part not in strategy.parts:
                self._say(f"{path}.load.{part}", f"no such part{suggestion(part, strategy.parts)}")
        backbone = self.choices.get("backbone")
        if "lora" in stage.train and backbone and getattr(backbone.settings, "lora", 0) is None:
            self._say(f"{path}.train", "trains lora, but backbone.lora is not set")
        if stage.negatives and (self._task == "like" or objective.learns != "rows"):
            why = "the rows have dislikes" if self._task == "like" else f"{stage.objective!r} draws none"
            self._say(f"{path}.negatives", f"has no use here: {why}")

    def _lacks(self, section: str, needs: frozenset[str], who: str, path: str = "") -> None:
        """Say so if the component chosen for a section cannot do what is needed of it."""
        if section not in self.choices:
            return
        component: Component[Any, Any] = self.plugins.get(SECTIONS[section], self.choices[section].use)
        lacking = sorted(needs - component.offers)
        if lacking:
            text = f"{section} {component.name!r} has no {', '.join(lacking)}, which {who} needs"
            self._say(path or f"{section}.use", f"{text}; {self._choices(section, needs)}")

    def _choices(self, section: str, needs: frozenset[str]) -> str:
        offers = self.plugins.offers(SECTIONS[section]).items()
        return "these can: " + (
            ", ".join(sorted(name for name, (found, _) in offers if needs <= found.offers)) or "none"
        )

    def _metrics(self) -> None:
        metrics = [("evaluate.metrics", name) for name in (self.evaluate and self.evaluate.metrics) or ()]
        metrics += [(f"stages.{key}.metric", stage.metric) for key, stage in self.stages.items() if stage.metric]
        for path, name in metrics:
            if text := unfit_metric(name, self._task, self.plugins):
                self._say(path, text)

    def _floors(self) -> None:
        for name in (self.evaluate and self.evaluate.floors) or ():
            if name not in self.plugins.offers("encoders"):
                self._say("evaluate.floors", self.plugins.unknown("encoders", name))
            elif "fit" not in self.plugins.get("encoders", name).offers:
                self._say("evaluate.floors", f"encoder {name!r} has no closed form (capability fit)")


def unfit_metric(name: str, task: Task | None, plugins: Plugins) -> str:
    """Why something is not a metric of the task; empty where it is."""
    if name not in plugins.offers("metrics"):
        return plugins.unknown("metrics", name)
    if task is None or plugins.get("metrics", name).task == task:
        return ""
    return f"{name!r} is not a metric of the task {task!r}; such are: {', '.join(DEFAULTS[task]['metrics'])}"
