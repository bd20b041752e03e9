"""Asking a language model whether a user would enjoy an item."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sasrec_llm.interfaces import Aligner, Backbone, Encoder, Histories
from sasrec_llm.strategies.prompts import Prompts


class YesNo:
    """score = logit(Yes) - logit(No), whose sigmoid is the softmax over the two (eq. 12)."""

    def __init__(self, *, backbone: Backbone, prompts: Prompts, yes_only: bool) -> None:
        self.backbone = backbone
        self.prompts = prompts
        self.yes_only = yes_only  # as the reference code: sigmoid(logit(Yes))

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        """One prompt per candidate: [B, C] -> [B, C]."""
        rows, count = candidates.shape
        device = candidates.device
        history = histories.last(self.prompts.titles).repeat_interleave(count, dim=0)
        batch = self.prompts.render(history, candidates.flatten()).to(str(device))
        embeddings = self.backbone.embed(batch.tokens)  # [B * C, L, D]
        for field, vectors in self.soft_tokens(histories, candidates).items():  # [B * C, K, D]
            positions = batch.slots[field]  # [B * C, K]
            if vectors.shape[:2] != positions.shape:
                raise AssertionError(f"{field}: {tuple(vectors.shape[:2])} vectors, {tuple(positions.shape)} slots")
            index = positions[..., None].expand(-1, -1, embeddings.shape[-1])
            embeddings = embeddings.scatter(1, index, vectors.to(embeddings.dtype))
        answers = torch.tensor(self.prompts.answers, device=device)
        yes, no = self.backbone.next_logits(embeddings, batch.lengths, answers).unbind(-1)
        return (yes if self.yes_only else yes - no).view(rows, count)

    def soft_tokens(self, histories: Histories, candidates: Tensor) -> Mapping[str, Tensor]:
        """What goes into the slots: none here."""
        return {}


class HybridYesNo(YesNo):
    """The same question with the encoder's view of user and item in the slots (eq. 10-11)."""

    def __init__(
        self, *, backbone: Backbone, prompts: Prompts, yes_only: bool, encoder: Encoder, aligner: Aligner
    ) -> None:
        super().__init__(backbone=backbone, prompts=prompts, yes_only=yes_only)
        self.encoder = encoder
        self.aligner = aligner

    def soft_tokens(self, histories: Histories, candidates: Tensor) -> Mapping[str, Tensor]:
        user = self.aligner(self.encoder.user_vectors(histories))  # [B, K, D]
        item = self.aligner(self.encoder.item_vectors(candidates))  # [B, C, K, D]
        return {"user": user.repeat_interleave(candidates.shape[1], dim=0), "item": item.flatten(0, 1)}
