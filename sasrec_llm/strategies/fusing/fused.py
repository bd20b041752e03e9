"""The two models of late fusion, as buffers that are saved and loaded like any part."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

Array = NDArray[np.float64]
TREES, DEPTH = 100, 3
NODES = 2 ** (DEPTH + 1) - 1


class Logistic(nn.Module):
    """offset + weight · x, [..., F] -> [...]"""

    weight: Tensor
    offset: Tensor

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(width, dtype=torch.float64))
        self.register_buffer("offset", torch.zeros((), dtype=torch.float64))

    def fit(self, inputs: Array, labels: Array, seed: int) -> None:
        scaler = StandardScaler().fit(inputs)
        fitted = LogisticRegression(max_iter=1000).fit(scaler.transform(inputs), labels)
        weight = fitted.coef_[0] / scaler.scale_
        self.weight.copy_(torch.from_numpy(weight))
        self.offset.fill_(float(fitted.intercept_[0] - weight @ scaler.mean_))

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs.double() @ self.weight + self.offset).float()


class Boosting(nn.Module):
    """Gradient-boosted trees: offset + rate Σ_t leaf_t(x), [..., F] -> [...]

    Each tree is three rows of numbers; a leaf is its own child, so that DEPTH steps reach a leaf from anywhere.
    """

    branches: Tensor
    tested: Tensor
    threshold: Tensor
    value: Tensor
    offset: Tensor

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.register_buffer("branches", torch.zeros(TREES, NODES, 2, dtype=torch.int64))
        self.register_buffer("tested", torch.zeros(TREES, NODES, dtype=torch.int64))
        self.register_buffer("threshold", torch.zeros(TREES, NODES, dtype=torch.float64))
        self.register_buffer("value", torch.zeros(TREES, NODES, dtype=torch.float64))
        self.register_buffer("offset", torch.zeros((), dtype=torch.float64))

    def fit(self, inputs: Array, labels: Array, seed: int) -> None:
        fitted = GradientBoostingClassifier(
            n_estimators=TREES, max_depth=DEPTH, learning_rate=0.05, subsample=0.5, random_state=seed
        ).fit(inputs.astype(np.float32), labels)
        share = np.clip(labels.mean(), 1e-6, 1 - 1e-6)
        self.offset.fill_(float(np.log(share / (1 - share))))
        for number, (estimator,) in enumerate(fitted.estimators_):
            tree = estimator.tree_
            leaf = tree.children_left < 0
            itself = np.arange(tree.node_count)
            branches = np.stack([tree.children_left, tree.children_right], axis=1)
            branches = np.where(leaf[:, None], itself[:, None], branches)
            self.branches[number, : tree.node_count] = torch.from_numpy(branches)
            self.tested[number, : tree.node_count] = torch.from_numpy(np.where(leaf, 0, tree.feature))
            self.threshold[number, : tree.node_count] = torch.from_numpy(tree.threshold)
            self.value[number, : tree.node_count] = torch.from_numpy(fitted.learning_rate * tree.value[:, 0, 0])

    def forward(self, inputs: Tensor) -> Tensor:
        flat = inputs.float().reshape(-1, inputs.shape[-1])  # the trees were grown on float32
        total = self.offset.expand(len(flat)).clone()
        for branches, tested, threshold, value in zip(
            self.branches, self.tested, self.threshold, self.value, strict=True
        ):
            node = torch.zeros(len(flat), dtype=torch.int64, device=flat.device)
            for _ in range(DEPTH):
                right = flat.gather(1, tested[node, None])[:, 0].double() > threshold[node]
                node = branches[node, right.long()]
            total += value[node]
        return total.view(inputs.shape[:-1]).float()
