"""What any model has to beat: closed forms that need seconds, and that nobody reports.

Each keeps what it has learned in buffers, so that it is saved and loaded like a trained encoder.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from sasrec_llm.components import BuildContext
from sasrec_llm.encoders.settings import BiasRegressionSettings, ConstantSettings, ItemMeanSettings
from sasrec_llm.errors import DataError
from sasrec_llm.interfaces import Histories, Rows


class Biases(nn.Module):
    """logit = offset + user[u] + item[i], [B, C]. Row 0 of both tables is the unknown one."""

    history_length = 1
    offset: Tensor
    user: Tensor
    item: Tensor

    def __init__(self, *, n_users: int, n_items: int) -> None:
        super().__init__()
        self.register_buffer("offset", torch.zeros(()))
        self.register_buffer("user", torch.zeros(n_users + 1))
        self.register_buffer("item", torch.zeros(n_items + 1))

    def score(self, histories: Histories, candidates: Tensor) -> Tensor:
        return self.offset + self.user[histories.users][:, None] + self.item[candidates]


def logit(p: np.ndarray | float) -> np.ndarray:
    clipped = np.clip(p, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


class Constant(Biases):
    """The share of likes in train, for everyone and everything."""

    def fit(self, rows: Rows) -> None:
        self.offset.fill_(float(logit(rows.labels.mean())))


class ItemMean(Biases):
    """(likes of the item + m · overall share) / (rows of the item + m): the same list for everyone."""

    def __init__(self, *, n_users: int, n_items: int, prior_rows: float) -> None:
        super().__init__(n_users=n_users, n_items=n_items)
        self.prior_rows = prior_rows

    def fit(self, rows: Rows) -> None:
        overall = rows.labels.mean()
        size = len(self.item)
        likes = np.bincount(rows.items, weights=rows.labels, minlength=size) + self.prior_rows * overall
        seen = np.bincount(rows.items, minlength=size) + self.prior_rows
        share = np.divide(likes, seen, out=np.full(size, overall), where=seen > 0)
        self.item.copy_(torch.from_numpy(logit(share)))


class BiasRegression(Biases):
    """L2 logistic regression on the one-hots of user and item; an id unseen in train contributes nothing."""

    def __init__(self, *, n_users: int, n_items: int, inverse_l2: float) -> None:
        super().__init__(n_users=n_users, n_items=n_items)
        self.inverse_l2 = inverse_l2

    def fit(self, rows: Rows) -> None:
        if len(np.unique(rows.labels)) < 2:
            raise DataError("bias-regression needs likes and dislikes in train; there is only one of the two")
        count, n_user_columns = len(rows.labels), len(self.user)
        columns = np.stack([rows.users, n_user_columns + rows.items], axis=1).ravel()
        one_hot = csr_matrix(
            (np.ones(2 * count), columns, np.arange(0, 2 * count + 1, 2)),
            shape=(count, n_user_columns + len(self.item)),
        )
        fitted = LogisticRegression(C=self.inverse_l2, solver="liblinear", random_state=0).fit(one_hot, rows.labels)
        weights = torch.from_numpy(fitted.coef_[0]).float()
        self.offset.fill_(float(fitted.intercept_[0]))
        self.user.copy_(weights[:n_user_columns])
        self.item.copy_(weights[n_user_columns:])


def build_constant(_: ConstantSettings, context: BuildContext) -> Constant:
    return Constant(n_users=context.n_users, n_items=context.n_items)


def build_item_mean(settings: ItemMeanSettings, context: BuildContext) -> ItemMean:
    return ItemMean(n_users=context.n_users, n_items=context.n_items, prior_rows=settings.prior_rows)


def build_bias_regression(settings: BiasRegressionSettings, context: BuildContext) -> BiasRegression:
    return BiasRegression(n_users=context.n_users, n_items=context.n_items, inverse_l2=settings.inverse_l2)
