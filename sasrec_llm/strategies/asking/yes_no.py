"""Asking a language model whether a user would enjoy an item, or how they would rate it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from sasrec_llm.interfaces import Aligner, Backbone, BranchingBackbone, Encoder, Examples, Histories, StatefulEncoder
from sasrec_llm.strategies.asking.prompt_batch import PromptBatch
from sasrec_llm.strategies.asking.prompts import Prompts
from sasrec_llm.strategies.asking.wording import wording
from sasrec_llm.strategies.learning import like_loss

PROMPTS = 512  # asked at a time where a history has several and nothing has to be kept for a gradient


class YesNo:
    """score = logit(Yes) - logit(No), whose sigmoid is the softmax over the two (eq. 12).

    With `ratings`, one for each answer: score = log P(r >= like_at) - log P(r < like_at), P = softmax over all answers.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        prompts: Prompts,
        yes_only: bool,
        ratings: tuple[float, ...] = (),
        like_at: float = 4.0,
    ) -> None:
        self.backbone = backbone
        self.prompts = prompts
        self.yes_only = yes_only  # as the reference code: sigmoid(logit(Yes))
        self.ratings = ratings
        self.like_at = like_at

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        """One prompt per candidate: [B, C] -> [B, C]."""
        if self.ratings:
            logits = self.rate(histories, candidates)
            likes = torch.tensor([rating >= self.like_at for rating in self.ratings], device=logits.device)
            return torch.logsumexp(logits[..., likes], -1) - torch.logsumexp(logits[..., ~likes], -1)
        yes, no = self.answer_logits(histories, candidates).unbind(-1)
        return yes if self.yes_only else yes - no

    def rate(self, histories: Histories, candidates: Tensor) -> Tensor:
        return torch.log_softmax(self.answer_logits(histories, candidates), dim=-1)

    def prompts_for(self, histories: Histories, candidates: Tensor) -> list[list[str]]:
        rows, count = candidates.shape
        history = histories.last(self.prompts.titles).repeat_interleave(count, dim=0)
        texts = wording(self.prompts.render(history, candidates.flatten()), self.prompts.tokenizer)
        return [texts[row * count : (row + 1) * count] for row in range(rows)]

    def loss(self, batch: Examples) -> Tensor:
        """Cross-entropy of the answers: of the nearest rating, or of yes and no (eq. 14)."""
        if not self.ratings or batch.ratings is None:
            return like_loss(self, batch)
        ratings = torch.tensor(self.ratings, device=batch.ratings.device)
        right = (batch.ratings[..., None] - ratings).abs().argmin(-1)  # [B, C]
        return F.nll_loss(self.rate(batch.histories, batch.targets).flatten(0, 1), right.flatten())

    def answer_logits(self, histories: Histories, candidates: Tensor) -> Tensor:
        """-> [B, C, answers]"""
        rows, count = candidates.shape
        step = rows if count == 1 or torch.is_grad_enabled() else max(PROMPTS // count, 1)
        parts = [
            self._answer_logits(histories.pick(slice(at, at + step)), candidates[at : at + step])
            for at in range(0, rows, step)
        ]
        return torch.cat(parts)

    def _answer_logits(self, histories: Histories, candidates: Tensor) -> Tensor:
        """What the prompts of a history share is read once, if the backbone can."""
        rows, count = candidates.shape
        device = candidates.device
        history = histories.last(self.prompts.titles).repeat_interleave(count, dim=0)
        batch = self.prompts.render(history, candidates.flatten()).to(str(device))
        soft = self.soft_tokens(histories, candidates)
        answers = torch.tensor(self.prompts.answers, device=device)
        if count > 1 and isinstance(self.backbone, BranchingBackbone):
            shared = batch.shared(count, own="item")
            if int(shared.min()) > 0:
                heads, tails = batch.heads(shared), batch.tails(shared)
                branches = self._embed(tails, soft)
                branches, ends = (part.view(rows, count, *part.shape[1:]) for part in (branches, tails.lengths))
                return self.backbone.branch_logits(self._embed(heads, soft), shared, branches, ends, answers)
        return self.backbone.next_logits(self._embed(batch, soft), batch.lengths, answers).view(rows, count, -1)

    def _embed(self, batch: PromptBatch, soft: Mapping[str, Tensor]) -> Tensor:
        """-> [B, L, D], the slots filled. Vectors of a history go to all of its prompts."""
        embeddings = self.backbone.embed(batch.tokens)
        for field, positions in batch.slots.items():  # [B, S, K]
            vectors = soft[field].repeat_interleave(len(positions) // len(soft[field]), dim=0)  # [B, S, K, D]
            if vectors.shape[:3] != positions.shape:
                raise AssertionError(f"{field}: {tuple(vectors.shape[:3])} vectors, {tuple(positions.shape)} slots")
            there = positions >= 0
            row = torch.arange(len(positions), device=positions.device)[:, None, None].expand_as(positions)
            embeddings = embeddings.index_put((row[there], positions[there]), vectors[there].to(embeddings.dtype))
        return embeddings

    def soft_tokens(self, histories: Histories, candidates: Tensor) -> Mapping[str, Tensor]:
        """What goes into the slots, of B histories or of B * C prompts: none here."""
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
        ratings: tuple[float, ...] = (),
        like_at: float = 4.0,
        history_slots: bool = False,
        zero: bool = False,
    ) -> None:
        """`zero`: the slots stay, what the encoder knows is taken out of them (an ablation)."""
        super().__init__(backbone=backbone, prompts=prompts, yes_only=yes_only, ratings=ratings, like_at=like_at)
        self.encoder = encoder
        self.aligner = aligner
        self.history_slots = history_slots
        self.zero = zero

    def soft_tokens(self, histories: Histories, candidates: Tensor) -> Mapping[str, Tensor]:
        soft = {
            "user": self._user(histories)[:, None],  # [B, 1, K, D]
            "item": self._items(candidates).flatten(0, 1)[:, None],  # [B * C, 1, K, D]
        }
        if self.history_slots:
            titles = histories.last(self.prompts.titles)
            missing = self.prompts.titles - titles.shape[1]
            soft["history"] = self._items(F.pad(titles, (missing, 0)))  # [B, titles, K, D]
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
