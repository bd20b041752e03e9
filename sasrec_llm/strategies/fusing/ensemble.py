"""Ensemble: finished runs, all with the same say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from sasrec_llm.components import BuildContext, Task
from sasrec_llm.errors import ComponentError, UsageError
from sasrec_llm.interfaces import Examples, Histories, Part, Recommender, Sequences, TrainingData
from sasrec_llm.strategies.fusing.members import Members
from sasrec_llm.strategies.settings import EnsembleSettings

QUANTILES = 201
BATCH = 1024


class Ensemble(nn.Module):
    """mean, task like: logit of the mean probability; next-item: mean of the scores standardised by user.

    rank-mean, task like: mean of the shares of validation rows that each run scores lower, which `fit` learns;
    next-item: mean of the places in the rankings.
    """

    quantiles: Tensor

    def __init__(self, *, members: Members, ranks: bool, task: Task) -> None:
        super().__init__()
        self.members = members
        self.by_rank = ranks
        self.task = task
        self.history_length = members.history_length
        self.depends_on = members.depends_on
        self.register_buffer("quantiles", torch.zeros(len(members.members), QUANTILES))

    def parts(self) -> Mapping[str, Part]:
        return {"ensemble": self}

    def recommender(self, objective: str, ablation: str = "") -> Recommender:
        return self

    def loss(self, objective: str, batch: Examples | Sequences) -> Tensor:
        raise ComponentError("an ensemble is not trained by gradients")

    def fit(self, objective: str, data: TrainingData) -> None:
        """Quantiles of each run's scores on the validation rows."""
        rows = np.arange(len(data.rows("valid").items))
        device = self.quantiles.device
        with torch.inference_mode():
            logits = [
                self.members.logits(batch.histories, batch.targets)[:, 0]
                for part in np.array_split(rows, -(-len(rows) // BATCH))
                for batch in [data.examples("valid", part, self.history_length).to(str(device))]
            ]
        grid = torch.linspace(0, 1, QUANTILES, device=device)
        self.quantiles.copy_(torch.quantile(torch.cat(logits), grid, dim=0).T)

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        if self.task == "next-item":
            return self.score_all(histories).gather(1, candidates)
        logits = self.members.logits(histories, candidates)  # [B, C, M]
        if self.by_rank:
            if not self.quantiles.any():
                raise UsageError(
                    "rank-mean of likes and dislikes has to learn where scores lie",
                    hint='Add a stage: [stages.fit] with objective = "fit" and train = ["ensemble"]',
                )
            asked = logits.permute(2, 0, 1).flatten(1).contiguous()  # [M, B * C]
            below = torch.searchsorted(self.quantiles, asked) + torch.searchsorted(self.quantiles, asked, right=True)
            share = (below.float() / (2 * QUANTILES)).mean(0).view(candidates.shape)
        else:
            share = torch.sigmoid(logits).mean(-1)
        return torch.logit(share, eps=1e-6)

    def score_all(self, histories: Histories) -> Tensor:
        found = self.members.ranks(histories) if self.by_rank else self.members.standard(histories)
        return found.mean(-1)


def build(settings: EnsembleSettings, context: BuildContext) -> Ensemble:
    members = load_members(settings.runs, context)
    return Ensemble(members=members, ranks=settings.combine == "rank-mean", task=context.task).to(context.device)


def load_members(runs: list[str], context: BuildContext) -> Members:
    if context.member is None:
        raise ValueError("finished runs can be loaded only within an experiment")
    return Members(members=[context.member(name) for name in runs], n_items=context.n_items)
