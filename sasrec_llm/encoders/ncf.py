"""NeuMF: factorisation and a network on the same pair, fused at the end (He et al. 2017, arXiv 1708.05031)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from sasrec_llm.components import BuildContext
from sasrec_llm.dropout import Dropout
from sasrec_llm.encoders.dot_product import start_small
from sasrec_llm.encoders.settings import NCFSettings
from sasrec_llm.interfaces import Histories


class NCF(nn.Module):
    """logit = w · (p_u * q_i, MLP(p'_u, q'_i)) + b. A row of a table is the vectors of both halves, (p, p').

    The logit is raw: the sigmoid is the loss's, and is applied once.
    """

    history_length = 1  # none is read

    def __init__(self, *, n_users: int, n_items: int, factors: int, mlp: Sequence[int], dropout: float) -> None:
        """`mlp`: width of the pair (p', q'), then of every hidden layer."""
        super().__init__()
        self.factors = factors
        self.width = factors + mlp[0] // 2
        self.users = nn.Embedding(n_users + 1, self.width, padding_idx=0)
        self.items = nn.Embedding(n_items + 1, self.width, padding_idx=0)
        layers = [(nn.Linear(below, above), nn.ReLU(), Dropout(dropout)) for below, above in pairwise(mlp)]
        self.mlp = nn.Sequential(*(part for layer in layers for part in layer))
        self.out = nn.Linear(factors + mlp[-1], 1)
        start_small(self)

    def user_vectors(self, histories: Histories) -> Tensor:
        out: Tensor = self.users(histories.users)
        return out

    def item_vectors(self, items: Tensor) -> Tensor:
        out: Tensor = self.items(items)
        return out

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        items = self.item_vectors(candidates)  # [B, C, H]
        users = self.user_vectors(histories)[:, None].expand_as(items)
        product = users[..., : self.factors] * items[..., : self.factors]
        pair = torch.cat([users[..., self.factors :], items[..., self.factors :]], dim=-1)
        out: Tensor = self.out(torch.cat([product, self.mlp(pair)], dim=-1))
        return out[..., 0]


def build(settings: NCFSettings, context: BuildContext) -> NCF:
    return NCF(
        n_users=context.n_users,
        n_items=context.n_items,
        factors=settings.width,
        mlp=settings.mlp,
        dropout=settings.dropout,
    )
