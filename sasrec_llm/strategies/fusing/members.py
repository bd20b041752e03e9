"""Finished runs as voices: their scores brought to one scale."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sasrec_llm.durable import digest
from sasrec_llm.interfaces import Histories, Member
from sasrec_llm.strategies.ranking import every_score


class Members:
    """M runs that answer together."""

    def __init__(self, *, members: Sequence[Member], n_items: int) -> None:
        self.members = members
        self.n_items = n_items
        self.history_length = max(member.history_length for member in members)
        self.depends_on = digest([member.identity for member in members])

    def logits(self, histories: Histories, candidates: Tensor) -> Tensor:
        """-> [B, C, M]"""
        found = [
            member.recommender.score(histories.cut(member.history_length), candidates).float()
            for member in self.members
        ]
        return torch.stack(found, dim=-1)

    def standard(self, histories: Histories) -> Tensor:
        """Scores of the catalogue with mean 0 and variance 1 for each user and run -> [B, N + 1, M]."""
        every = self._every(histories)
        known = every[:, 1:]
        return (every - known.mean(1, keepdim=True)) / known.std(1, keepdim=True).clamp(min=1e-6)

    def ranks(self, histories: Histories) -> Tensor:
        """Place of each item in each run's ranking, 0 the last, 1 the first; ties share their mean -> [B, N + 1, M]."""
        every = self._every(histories)
        every[:, 0] = -torch.inf
        ordered = every.sort(dim=1).values.transpose(1, 2).contiguous()  # [B, M, N + 1]
        asked = every.transpose(1, 2).contiguous()
        below = torch.searchsorted(ordered, asked) + torch.searchsorted(ordered, asked, right=True)
        return (below.transpose(1, 2).float() - 1) / (2 * self.n_items)

    def _every(self, histories: Histories) -> Tensor:
        found = [
            every_score(member.recommender, histories.cut(member.history_length), self.n_items).float()
            for member in self.members
        ]
        return torch.stack(found, dim=-1)
