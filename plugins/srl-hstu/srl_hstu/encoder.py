"""HSTU as an encoder: states of a history, one table of items, a softmax over the catalogue."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sasrec_llm import BuildContext, Histories, Sequences
from srl_hstu import HSTUSettings
from srl_hstu.block import Block

CACHED = 256  # steps whose logits stay in a processor's cache


class HSTU(nn.Module):
    """The score of an item is the product of its vector with the newest state. Causal: a state knows no later item.

    Padding is looked at by nobody, and distances are counted between items, so a row does not depend on how far it is
    padded. An empty history has a vector like any other: what the layers make of nothing.
    """

    closed: Tensor  # [N + 1]: -inf for what is no next item, else 0

    def __init__(self, *, n_items: int, width: int, blocks: int, heads: int, dropout: float, max_length: int) -> None:
        super().__init__()
        self.width, self.history_length = width, max_length
        self.items = nn.Embedding(n_items + 1, width, padding_idx=0)
        self.blocks = nn.ModuleList(
            Block(width=width, heads=heads, dropout=dropout, max_length=max_length) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("closed", torch.zeros(n_items + 1), persistent=False)
        self.learn_only(torch.arange(1, n_items + 1))
        nn.init.normal_(self.items.weight, std=0.02)
        with torch.no_grad():
            self.items.weight[0] = 0

    def states(self, histories: Histories) -> Tensor:
        items = histories.last(self.history_length)  # [B, T]
        causal = torch.ones(items.shape[1], items.shape[1], dtype=torch.bool, device=items.device).tril()
        visible = causal & (items != 0)[:, None]  # [B, T, T]
        x = self.dropout(self.items(items))
        for block in self.blocks:
            x = block(x, visible)
        out: Tensor = self.norm(x)
        return out

    def user_vectors(self, histories: Histories) -> Tensor:
        return self.states(histories)[:, -1]

    def item_vectors(self, items: Tensor) -> Tensor:
        out: Tensor = self.items(items)
        return out

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        return torch.einsum("bh,bch->bc", self.user_vectors(histories), self.items(candidates))

    def score_all(self, histories: Histories) -> Tensor:
        return self.user_vectors(histories) @ self.items.weight.T

    def factors(self, histories: Histories) -> tuple[Tensor, Tensor]:
        return self.user_vectors(histories), self.items.weight

    def learn_only(self, items: Tensor) -> None:
        self.closed.fill_(-torch.inf)[items] = 0

    def next_item_loss(self, sequences: Sequences) -> Tensor:
        """-log softmax(s · Eᵀ)[next]: the mean over every step that something follows."""
        wanted = sequences.targets[:, -self.history_length :]
        asked = wanted != 0
        states, targets = self.states(sequences.inputs)[asked], wanted[asked]  # [M, H], [M]
        losses = [
            F.cross_entropy(F.linear(some, self.items.weight, self.closed), following, reduction="sum")
            for some, following in zip(torch.split(states, CACHED), torch.split(targets, CACHED), strict=True)
        ]
        return torch.stack(losses).sum() / max(len(targets), 1)


def build(settings: HSTUSettings, context: BuildContext) -> HSTU:
    return HSTU(n_items=context.n_items, **settings.model_dump())
