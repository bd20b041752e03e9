"""The chain of stages: what is finished is loaded, what another run has done is taken over, the rest is trained.

A stage's identity is the hash of all it depends on. Its `result/` folder is published in one step, with the trained
parts, the scores of every valid and test row, and `stage.json`; whoever finds it can rely on it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sasrec_llm import processes
from sasrec_llm.components import Objective, StrategyComponent
from sasrec_llm.data.interactions import Interactions
from sasrec_llm.data.training import Batches, Training
from sasrec_llm.durable import verify
from sasrec_llm.errors import DamagedError, RunError
from sasrec_llm.evaluation.examiner import Examiner
from sasrec_llm.evaluation.task import Answers
from sasrec_llm.interfaces import Dependent, Part, Recommender, StageInfo, Strategy
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Recipe, Stage
from sasrec_llm.train.checkpoints import best
from sasrec_llm.train.finished import adopt, complete, is_finished, publish
from sasrec_llm.train.identity import about_part, stage_identity
from sasrec_llm.train.loop import Job, fit, order_of
from sasrec_llm.train.parts import fingerprint, load_part, save_part


@dataclass(slots=True)
class Chain:
    """Runs a recipe's stages in order on one strategy."""

    recipe: Recipe
    plugins: Plugins
    strategy: Strategy
    examiner: Examiner
    training: Training
    run: str  # name, for those who watch
    folder: Path  # of the run's stages
    others: Path  # where other runs are
    truncate_log: Callable[[str, int, int], None]
    _origin: dict[str, str] = field(default_factory=dict)  # part -> identity of what it holds

    def train(self) -> dict[str, dict[str, Answers]]:
        """Run every stage. Returns stage -> split -> answers, as the stage left them."""
        scores = {}
        for position, (name, stage) in enumerate(self.recipe.stages.items(), start=1):
            scores[name] = self._stage(position, name, stage)
        return scores

    def restore(self, only: Set[str] | None = None) -> None:
        """Load the parts of every finished stage, or some of them, without training."""
        for name, stage in self.recipe.stages.items():
            self._load(stage, only)
            result = self.folder / name / "result"
            if not result.is_dir():
                raise RunError(f"stage {name} of {self.run} is not finished", hint="Run the recipe again: it continues")
            self._take(result, stage, only)

    def answers(self, recommender: Recommender, who: str) -> dict[str, Answers]:
        return self.examiner.answers(recommender, who, self.strategy.history_length)

    @property
    def data(self) -> Interactions:
        return self.examiner.task.data

    def objective(self, stage: Stage) -> Objective:
        strategy: StrategyComponent[Any, Any] = self.plugins.get("strategies", self.recipe.strategy.use)
        return strategy.objectives[stage.objective]

    def _stage(self, position: int, name: str, stage: Stage) -> dict[str, Answers]:
        parts = self.strategy.parts()
        self._load(stage)
        depends_on = self.strategy.depends_on if isinstance(self.strategy, Dependent) else ""
        identity = stage_identity(
            name, self.recipe, self.data, self.examiner.device, self.plugins, self._origin, depends_on
        )
        batches = self.batches(stage, parts)
        info = self._info(position, name, stage, parts, batches)
        result = self.folder / name / "result"
        if processes.lead(lambda: is_finished(result, identity) or adopt(result, identity, self.others)):
            self.plugins.event("srl_stage_started", stage=info)
            self._take(result, stage)
        else:
            started = time.monotonic()
            if batches is None:
                self.plugins.event("srl_stage_started", stage=info)
                self.strategy.fit(stage.objective, self.training)
                facts: dict[str, Any] = {}
            else:
                facts = self._fit(info, stage, identity, parts, batches)
            facts |= {"total_seconds": round(time.monotonic() - started, 3)}
            found = self.answers(self.strategy.recommender(stage.objective), f"stage {name}")
            if processes.first():
                cost = self.examiner.costs[f"stage {name}"]
                facts |= {"pairs_per_second": cost.pairs_per_second, "peak_memory_mb": cost.peak_memory_mb}
                trained = {part: (parts[part], self._about(part)) for part in stage.train}
                publish(result, identity, info, facts, trained, self.examiner.task, found)
        if processes.first():
            for left in ("best", "checkpoints"):
                shutil.rmtree(self.folder / name / left, ignore_errors=True)
        for part in stage.train:
            self._origin[part] = identity
        answers = complete(result, self.examiner, lambda split: self._answer(split, name, stage))
        self.plugins.event("srl_stage_finished", stage=info, checkpoint=result)
        return answers

    def _answer(self, split: str, name: str, stage: Stage) -> Answers:
        recommender, length = self.strategy.recommender(stage.objective), self.strategy.history_length
        return self.examiner.answer(recommender, self.data.of(split), f"stage {name}", length)

    def batches(self, stage: Stage, parts: Mapping[str, Part]) -> Batches | None:
        """What the stage passes over; None for a closed form."""
        learns = self.objective(stage).learns
        if learns == "all":
            return None
        length = self.strategy.history_length
        if learns == "sequences":  # cut to what the encoder reads, so that no step of them is lost
            length = getattr(parts["encoder"], "history_length", length)
        return self.training.batches(learns, length, (stage.negatives or 1) if self.recipe.task == "next-item" else 0)

    def _fit(
        self, info: StageInfo, stage: Stage, identity: str, parts: Mapping[str, Part], batches: Batches
    ) -> dict[str, Any]:
        folder = self.folder / info.name
        valid = self.examiner.drawn("valid", stage.valid_rows, self.recipe.head.seed)
        recommender = self.strategy.recommender(stage.objective)

        def validate() -> Mapping[str, float]:
            return self.examiner.figures(recommender, valid, f"stage {info.name}", self.strategy.history_length)

        def save_best(draft: Path) -> None:
            for part in stage.train:
                save_part(draft / part, parts[part], self._about(part))

        progress = fit(
            Job(
                info=info,
                stage=stage,
                identity=identity,
                parts=parts,
                loss=lambda batch: self.strategy.loss(stage.objective, batch),
                batches=batches,
                device=self.examiner.device,
                seed=self.recipe.head.seed,
                folder=folder,
                validate=validate,
                larger_is_better=self.plugins.get("metrics", info.metric).larger_is_better,
                save_best=save_best,
                plugins=self.plugins,
                truncate_log=lambda step, epoch: self.truncate_log(info.name, step, epoch),
            )
        )
        processes.wait()
        chosen = best(folder, progress.best_epoch)
        verify(chosen)
        for part in stage.train:
            load_part(chosen / part, parts[part], self._about(part))
        return progress.facts()

    def _load(self, stage: Stage, only: Set[str] | None = None) -> None:
        """Take the parts that the stage names from elsewhere."""
        for part, path in stage.load.items():
            if only is None or part in only:
                load_part(Path(path), self.strategy.parts()[part], self._about(part))
                self._origin[part] = fingerprint(Path(path))

    def _take(self, result: Path, stage: Stage, only: Set[str] | None = None) -> None:
        try:
            verify(result)
        except DamagedError as error:
            raise DamagedError(str(error), hint=f"Train the stage again: rm -r {result}, then srl run") from error
        for part in stage.train:
            if only is None or part in only:
                load_part(result / part, self.strategy.parts()[part], self._about(part))

    def _about(self, part: str) -> dict[str, Any]:
        return about_part(self.recipe, self.data, part)

    def _info(
        self, position: int, name: str, stage: Stage, parts: Mapping[str, Part], batches: Batches | None
    ) -> StageInfo:
        return StageInfo(
            run=self.run,
            name=name,
            position=position,
            count=len(self.recipe.stages),
            objective=stage.objective,
            train={part: sum(weight.numel() for weight in parts[part].parameters()) for part in stage.train},
            epochs=stage.epochs if batches else 1,
            steps=0 if batches is None else stage.epoch_steps or order_of(batches, stage, 0, name).steps_per_pass,
            metric=self.recipe.metric(stage),
        )
