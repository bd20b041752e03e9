"""The recipe: what is run, as typed and frozen records. Reading one from TOML is `file`'s work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from sasrec_llm.components import Settings, Task
from sasrec_llm.protocols import DEFAULTS, METRIC, SUBSETS, TASKS, Subset
from sasrec_llm.recipe.data import Data
from sasrec_llm.recipe.space import Search

Calibration = Literal["platt", "temperature"]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
SECTIONS = {"encoder": "encoders", "aligner": "aligners", "backbone": "backbones", "strategy": "strategies"}
TABLES = ("data", *SECTIONS, "stages", "evaluate", "search")


class Stage(Settings):
    """`[stages.NAME]`: one training of some of the parts."""

    objective: str = Field(description="what is learned; `srl components strategies` lists each strategy's")
    train: list[str] = Field(min_length=1, description="the parts that learn; all others keep every byte")
    load: dict[str, str] = Field({}, description="part -> folder of a finished part, loaded exactly or not at all")
    epochs: int = Field(10, ge=1)
    epoch_steps: int | None = Field(None, ge=1, description="optimiser steps of an epoch; default: one pass")
    batch_size: int = Field(256, ge=1, description="rows of an optimiser step")
    slices: int = Field(
        1, ge=1, description="parts of a step that are worked on one after the other, for less memory, or by --nproc"
    )
    negatives: int | None = Field(
        None,
        ge=1,
        description="items drawn beside each liked one, where there are no dislikes to learn from; default 1",
    )
    lr: float = Field(1e-3, gt=0, description="peak learning rate of AdamW")
    lrs: dict[str, float] = Field({}, description="part -> its own peak learning rate")
    min_lr: float = Field(0.0, ge=0, description="where the cosine ends")
    warmup_lr: float = Field(0.0, ge=0, description="where the warm-up starts")
    warmup_steps: int = Field(0, ge=0)
    weight_decay: float = Field(0.0, ge=0)
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    metric: str | None = Field(
        None, description="validation metric that chooses the best epoch; default: auc, or ndcg@10 for next-item"
    )
    valid_rows: int | None = Field(
        None, ge=1, description="validation rows scored after each epoch, drawn once; default: all"
    )
    patience: int | None = Field(None, ge=1, description="stop after this many epochs without gain")
    guard: bool = Field(False, description="the parts as they were count as epoch 0: the stage cannot make them worse")
    checkpoint_every: int = Field(1, ge=1, description="epochs between checkpoints")


class Evaluate(Settings):
    """`[evaluate]`: what is measured, once, on the test rows. The defaults depend on the task."""

    subsets: list[Subset] | None = Field(None, min_length=1, description="default: all, warm, cold or new items")
    metrics: list[str] | None = Field(None, min_length=1)
    floors: list[str] | None = Field(None, description="closed-form encoders scored beside the system")
    ablations: list[str] = Field([], description="ways to cripple the system, scored beside it: zero-slots")
    calibration: Calibration = Field("platt", description="how probabilities are made honest, fitted on validation")
    batch_size: int = Field(512, ge=1)


class Head(Settings):
    """The keys at the top of a recipe."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    seed: Seed = 42
    seeds: list[Seed] | None = Field(
        None, min_length=1, description="run once for each of them; figures are means, with their spread"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 on a GPU that has it")


@dataclass(frozen=True, slots=True)
class Choice:
    """A component chosen by `use`, with its settings."""

    use: str
    settings: Settings

    def dump(self) -> dict[str, Any]:
        return {"use": self.use, **self.settings.model_dump(mode="json")}

    def identity(self) -> dict[str, Any]:
        """What its results depend on."""
        return {"use": self.use, **self.settings.model_dump(mode="json", exclude=set(self.settings.of_place))}


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe without problems."""

    head: Head
    data: Data
    choices: Mapping[str, Choice]  # encoder, aligner, backbone, strategy; those the strategy is made of
    stages: Mapping[str, Stage]  # in the order they run
    evaluate: Evaluate
    search: Search | None = field(default=None, compare=False)  # no part of what is run

    @property
    def task(self) -> Task:
        return task_of(self.data)

    @property
    def in_folds(self) -> bool:
        """Whether it stands for a run on every fold."""
        return self.data.protocol == "k-fold" and self.data.fold is None

    @property
    def strategy(self) -> Choice:
        return self.choices["strategy"]

    @property
    def subsets(self) -> list[str]:
        own = SUBSETS.get((self.data.protocol, self.task), DEFAULTS[self.task]["subsets"])
        return list(self.evaluate.subsets or own)

    @property
    def metrics(self) -> list[str]:
        return self.evaluate.metrics or DEFAULTS[self.task]["metrics"]

    @property
    def floors(self) -> list[str]:
        """Without what is the system itself, or is called like it."""
        alone = self.strategy.use == "encoder-only" and "backbone" not in self.choices
        own = [self.head.name, *([self.choices["encoder"].use] if alone else [])]
        named = DEFAULTS[self.task]["floors"] if self.evaluate.floors is None else self.evaluate.floors
        return [floor for floor in named if floor not in own]

    @property
    def reference(self) -> str:
        """What systems are compared with unless said otherwise: the last floor, which should be the strongest."""
        return next(reversed(self.floors), "")

    def metric(self, stage: Stage) -> str:
        return stage.metric or METRIC[self.task]

    def in_slices(self, count: int) -> Recipe:
        """Every step in so many slices at least, one for each process that works on it."""
        stages = {
            name: stage.model_copy(update={"slices": max(stage.slices, count)}) for name, stage in self.stages.items()
        }
        return replace(self, stages=stages)

    def dump(self) -> dict[str, Any]:
        """The resolved recipe, defaults filled in, as plain values."""
        return {
            **self.head.model_dump(mode="json"),
            "data": self.data.model_dump(mode="json"),
            **{section: choice.dump() for section, choice in self.choices.items()},
            "stages": {name: stage.model_dump(mode="json") for name, stage in self.stages.items()},
            "evaluate": self.evaluate.model_dump(mode="json"),
        }

    def identity(self) -> dict[str, Any]:
        """What its results depend on."""
        return self.dump() | {section: choice.identity() for section, choice in self.choices.items()}


def task_of(data: Data) -> Task:
    return data.task or TASKS[data.protocol][0]
