"""Late fusion: a small model weighs finished runs and simple features. It is fitted on the validation rows, so that
test stays untouched; its figures on validation are those of what it was fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sasrec_llm.components import BuildContext, Task
from sasrec_llm.encoders.tabular import Boosting, Logistic
from sasrec_llm.errors import ComponentError
from sasrec_llm.interfaces import Examples, Histories, Part, Recommender, Sequences, TrainingData
from sasrec_llm.strategies.fusing.ensemble import BATCH, Ensemble, load_members
from sasrec_llm.strategies.fusing.members import Members
from sasrec_llm.strategies.ranking import Reranked, every_score, first, unseen
from sasrec_llm.strategies.settings import LateFusionSettings

DAY = 86_400


class Features(nn.Module):
    """[B, C] pairs -> [B, C, F]: each run's score (standardised by user for next-item), then the simple features."""

    likes: Tensor
    first: Tensor

    def __init__(self, *, members: Members, names: Sequence[str], task: Task, likes: Tensor, first: Tensor) -> None:
        """likes [N + 1] in train; first [N + 1]: an item's first moment in train, seconds, -1 for none."""
        super().__init__()
        self.members = members
        self.names = list(names)
        self.task = task
        self.register_buffer("likes", likes, persistent=False)
        self.register_buffer("first", first, persistent=False)

    @property
    def width(self) -> int:
        return len(self.members.members) + len(self.names)

    def forward(self, histories: Histories, candidates: Tensor) -> Tensor:
        if self.task == "next-item":
            every = self.members.standard(histories)
            scores = every.gather(1, candidates[..., None].expand(-1, -1, every.shape[-1]))
        else:
            scores = self.members.logits(histories, candidates)
        first = self.first[candidates]
        simple = {
            "item-count": torch.log1p(self.likes[candidates].float()),
            "history-length": torch.log1p(histories.lengths.float())[:, None].expand(candidates.shape),
            "item-age": torch.where(
                first >= 0, torch.log1p((histories.times[:, None] - first).clamp(min=0).float() / DAY), -1.0
            ),
        }
        return torch.cat([scores, *(simple[name][..., None] for name in self.names)], dim=-1)


class LateFusion:
    """score = model(features); for next-item, of the first `candidates` items of the runs' mean ranking."""

    def __init__(
        self, *, features: Features, model: Logistic | Boosting, candidates: int, n_items: int, seed: int
    ) -> None:
        self.features = features
        self.model = model
        self.seed = seed
        self.history_length = features.members.history_length
        self.depends_on = features.members.depends_on
        mean = Ensemble(members=features.members, ranks=False, task=features.task)
        self._ranked = Reranked(retriever=mean, scorer=self, n=candidates, n_items=n_items)

    def parts(self) -> Mapping[str, Part]:
        return {"fusion": self.model}

    def recommender(self, objective: str, ablation: str = "") -> Recommender:
        return self._ranked if self.features.task == "next-item" else self

    def loss(self, objective: str, batch: Examples | Sequences) -> Tensor:
        raise ComponentError("late fusion is not trained by gradients")

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        return self.model(self.features(histories, candidates))  # type: ignore[no-any-return]

    def fit(self, objective: str, data: TrainingData) -> None:
        """On every validation row; for next-item, on the items that the runs name: was it the one that came?"""
        rows = np.arange(len(data.rows("valid").items))
        inputs, labels = [], []
        with torch.inference_mode():
            for part in np.array_split(rows, -(-len(rows) // BATCH)):
                batch = data.examples("valid", part, self.history_length).to(str(self.features.likes.device))
                targets, answers = batch.targets, batch.labels
                if self.features.task == "next-item":
                    targets = self._named(batch)
                    answers = (targets == batch.targets).float()
                inputs.append(self.features(batch.histories, targets).flatten(0, 1).cpu())
                labels.append(answers.flatten().cpu())
        self.model.fit(torch.cat(inputs).double().numpy(), torch.cat(labels).numpy(), self.seed)

    def _named(self, batch: Examples) -> Tensor:
        """The items that are to be ranked anew, the right one among them or not -> [B, n]."""
        scores = every_score(self._ranked.retriever, batch.histories, self._ranked.n_items)
        return first(unseen(scores, batch.histories.items), self._ranked.n)


def build(settings: LateFusionSettings, context: BuildContext) -> LateFusion:
    members = load_members(settings.runs, context)
    if context.data is None:
        raise ValueError("late fusion is fitted on data")
    features = Features(
        members=members,
        names=settings.features,
        task=context.task,
        likes=torch.from_numpy(context.data.popularity),
        first=torch.from_numpy(context.data.first_seen),
    )
    model = (Logistic if settings.model == "logistic" else Boosting)(width=features.width)
    return LateFusion(
        features=features.to(context.device),
        model=model.to(context.device),
        candidates=settings.candidates,
        n_items=context.n_items,
        seed=context.seed,
    )
