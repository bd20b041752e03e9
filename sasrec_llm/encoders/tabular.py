"""Models of a table of features, as buffers that are saved and loaded like any part."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

Array = NDArray[np.float64]


class Logistic(nn.Module):
    """offset + weight · x, [..., F] -> [...]"""

    weight: Tensor
    offset: Tensor

    def __init__(self, *, width: int, inverse_l2: float = 1.0) -> None:
        super().__init__()
        self.inverse_l2 = inverse_l2
        self.register_buffer("weight", torch.zeros(width, dtype=torch.float64))
        self.register_buffer("offset", torch.zeros((), dtype=torch.float64))

    def fit(self, inputs: Array, labels: Array, seed: int, counts: Array | None = None) -> None:
        """`counts` [rows]: how much each row counts."""
        scaler = StandardScaler().fit(inputs)
        model = LogisticRegression(C=self.inverse_l2, max_iter=1000)
        fitted = model.fit(scaler.transform(inputs), labels, sample_weight=counts)
        weight = fitted.coef_[0] / scaler.scale_
        self.weight.copy_(torch.from_numpy(weight))
        self.offset.fill_(float(fitted.intercept_[0] - weight @ scaler.mean_))

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs.double() @ self.weight + self.offset).float()


class Trees(nn.Module):
    """offset + Σ_t leaf_t(x), [..., F] -> [...]

    Each tree is rows of numbers; a leaf is its own child, so that `depth` steps reach a leaf from anywhere.
    """

    branches: Tensor
    tested: Tensor
    threshold: Tensor
    value: Tensor
    offset: Tensor

    def __init__(self, *, trees: int, nodes: int, depth: int) -> None:
        super().__init__()
        self.depth = depth
        self.register_buffer("branches", torch.zeros(trees, nodes, 2, dtype=torch.int64))
        self.register_buffer("tested", torch.zeros(trees, nodes, dtype=torch.int64))
        self.register_buffer("threshold", torch.zeros(trees, nodes, dtype=torch.float64))
        self.register_buffer("value", torch.zeros(trees, nodes, dtype=torch.float64))
        self.register_buffer("offset", torch.zeros((), dtype=torch.float64))

    def plant(
        self,
        number: int,
        *,
        leaf: NDArray[np.bool_],
        children: NDArray[np.int64],
        tested: NDArray[np.int64],
        threshold: Array,
        value: Array,
    ) -> None:
        """One tree, node by node: children [nodes, 2], left where the tested feature is at most the threshold."""
        itself, count = np.arange(len(leaf)), len(leaf)
        self.branches[number, :count] = torch.from_numpy(np.where(leaf[:, None], itself[:, None], children))
        self.tested[number, :count] = torch.from_numpy(np.where(leaf, 0, tested))
        self.threshold[number, :count] = torch.from_numpy(threshold)
        self.value[number, :count] = torch.from_numpy(value)

    def forward(self, inputs: Tensor) -> Tensor:
        flat = inputs.float().reshape(-1, inputs.shape[-1])  # the trees were grown on float32
        total = self.offset.expand(len(flat)).clone()
        for branches, tested, threshold, value in zip(
            self.branches, self.tested, self.threshold, self.value, strict=True
        ):
            node = torch.zeros(len(flat), dtype=torch.int64, device=flat.device)
            for _ in range(self.depth):
                right = flat.gather(1, tested[node, None])[:, 0].double() > threshold[node]
                node = branches[node, right.long()]
            total += value[node]
        return total.view(inputs.shape[:-1]).float()


class Boosting(Trees):
    """Gradient boosting for some thousand rows: every split is looked at, half the rows a tree."""

    DEPTH = 3

    def __init__(self, *, width: int) -> None:
        super().__init__(trees=100, nodes=2 ** (self.DEPTH + 1) - 1, depth=self.DEPTH)

    def fit(self, inputs: Array, labels: Array, seed: int) -> None:
        fitted = GradientBoostingClassifier(
            n_estimators=len(self.value), max_depth=self.depth, learning_rate=0.05, subsample=0.5, random_state=seed
        ).fit(inputs.astype(np.float32), labels)
        share = np.clip(labels.mean(), 1e-6, 1 - 1e-6)
        self.offset.fill_(float(np.log(share / (1 - share))))
        for number, (estimator,) in enumerate(fitted.estimators_):
            tree = estimator.tree_
            self.plant(
                number,
                leaf=tree.children_left < 0,
                children=np.stack([tree.children_left, tree.children_right], axis=1),
                tested=tree.feature,
                threshold=tree.threshold,
                value=fitted.learning_rate * tree.value[:, 0, 0],
            )


class HistogramBoosting(Trees):
    """Gradient boosting for any number of rows: features in 63 bins, half of them looked at for a split."""

    def __init__(self, *, trees: int, leaves: int, min_rows: int) -> None:
        super().__init__(trees=trees, nodes=2 * leaves - 1, depth=leaves - 1)
        self.leaves = leaves
        self.min_rows = min_rows

    def fit(self, inputs: Array, labels: Array, seed: int, counts: Array | None = None) -> None:
        """`counts` [rows]: how much each row counts. No input may be missing."""
        fitted = HistGradientBoostingClassifier(
            max_iter=len(self.value),
            max_leaf_nodes=self.leaves,
            min_samples_leaf=self.min_rows,
            learning_rate=0.05,
            l2_regularization=5.0,
            max_bins=63,
            max_features=0.5,
            early_stopping=False,
            random_state=seed,
        ).fit(inputs.astype(np.float32), labels, sample_weight=counts)
        self.value.zero_()
        self.offset.fill_(float(fitted._baseline_prediction.item()))
        for number, (predictor,) in enumerate(fitted._predictors):  # scikit-learn has no public name for them
            nodes = predictor.nodes
            self.plant(
                number,
                leaf=nodes["is_leaf"].astype(bool),
                children=np.stack([nodes["left"], nodes["right"]], axis=1).astype(np.int64),
                tested=nodes["feature_idx"].astype(np.int64),
                threshold=nodes["num_threshold"],
                value=nodes["value"],
            )
