"""Asking a language model whether a user would enjoy an item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from sasrec_llm.interfaces import Aligner, Backbone, Encoder, Histories, StatefulEncoder
from sasrec_llm.strategies.prompts import Prompts


class YesNo:
    """score = logit(Yes) - logit(No), whose sigmoid is the softmax over the two (eq. 12)."""

    def __init__(self, *, backbone: Backbone, prompts: Prompts, yes_only: bool) -> None:
        self.backbone = backbone
        self.prompts = prompts
        self.yes_only = yes_only  # as the reference code: sigmoid(logit(Yes))

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        """One prompt per candidate: [B, C] -> [B, C]."""
        yes, no = self.answer_logits(histories, candidates).unbind(-1)
        return yes if self.yes_only else yes - no

    def answer_logits(self, histories: Histories, candidates: Tensor) -> Tensor:
        """-> [B, C, answers]"""
        rows, count = candidates.shape
        device = candidates.device
        history = histories.last(self.prompts.titles).repeat_interleave(count, dim=0)
        batch = self.prompts.render(history, candidates.flatten()).to(str(device))
        embeddings = self.backbone.embed(batch.tokens)  # [B * C, L, D]
        for field, vectors in self.soft_tokens(histories, candidates).items():  # [B * C, S, K, D]
            positions = batch.slots[field]  # [B * C, S, K]
            if vectors.shape[:3] != positions.shape:
                raise AssertionError(f"{field}: {tuple(vectors.shape[:3])} vectors, {tuple(positions.shape)} slots")
            there = positions >= 0
            row = torch.arange(len(positions), device=device)[:, None, None].expand_as(positions)
            embeddings = embeddings.index_put((row[there], positions[there]), vectors[there].to(embeddings.dtype))
        answers = torch.tensor(self.prompts.answers, device=device)
        return self.backbone.next_logits(embeddings, batch.lengths, answers).view(rows, count, -1)

    def soft_tokens(self, histories: Histories, candidates: Tensor) -> Mapping[str, Tensor]:
        """What goes into the slots: none here."""
        return {}


class HybridYesNo(YesNo):
    """The same question with the encoder's view of user and item in the slots (eq. 10-11)."""

    def __init__(
        self,
        *,
        backbone: Backbone,
        prompts: Prompts,
        yes_only: bool,
        encoder: Encoder,
        aligner: Aligner,
        history_slots: bool = False,
        zero: bool = False,
    ) -> None:
        """`zero`: the slots stay, what the encoder knows is taken out of them (an ablation)."""
        super().__init__(backbone=backbone, prompts=prompts, yes_only=yes_only)
        self.encoder = encoder
        self.aligner = aligner
        self.history_slots = history_slots
        self.zero = zero

    def soft_tokens(self, histories: Histories, candidates: Tensor) -> Mapping[str, Tensor]:
        count = candidates.shape[1]
        soft = {
            "user": self._user(histories)[:, None].repeat_interleave(count, dim=0),  # [B * C, 1, K, D]
            "item": self._items(candidates).flatten(0, 1)[:, None],
        }
        if self.history_slots:
            titles = histories.last(self.prompts.titles)
            missing = self.prompts.titles - titles.shape[1]
            soft["history"] = self._items(torch.nn.functional.pad(titles, (missing, 0))).repeat_interleave(count, dim=0)
        return {field: torch.zeros_like(vectors) for field, vectors in soft.items()} if self.zero else soft

    def _user(self, histories: Histories) -> Tensor:
        """-> [B, K, D]"""
        if not self.aligner.reads_states:
            return self.aligner(self.encoder.user_vectors(histories))
        states = cast(StatefulEncoder, self.encoder).states(histories)
        return self.aligner(states, histories.last(states.shape[1]) != 0)

    def _items(self, items: Tensor) -> Tensor:
        """[B, S] -> [B, S, K, D]"""
        vectors = self.encoder.item_vectors(items)
        return self.aligner(vectors[..., None, :]) if self.aligner.reads_states else self.aligner(vectors)
