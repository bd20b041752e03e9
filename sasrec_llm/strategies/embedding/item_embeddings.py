"""Item texts as vectors: embedded by a language model, reduced by PCA (2402.01339, sections 3.1 and 3.3)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor

from sasrec_llm.components import BuildContext
from sasrec_llm.errors import ModelError, UsageError
from sasrec_llm.interfaces import TextEmbedder


def embed_items(context: BuildContext) -> Tensor:
    """One vector an item, item 1 first -> [N, D]."""
    if not isinstance(context.backbone, TextEmbedder):
        raise ModelError("the backbone has no embed_texts(texts), though its component offers `texts`")
    return context.backbone.embed_texts(context.item_texts).float()


def items_of_train(context: BuildContext) -> NDArray[np.int64]:
    """Items that have a row in train, ascending."""
    if context.data is None:
        raise ValueError("items of train are known only with data")
    return np.flatnonzero(context.data.first_seen >= 0)


def reduce(vectors: Tensor, width: int, train: NDArray[np.int64]) -> Tensor:
    """The `width` principal directions of the items of train, for all items: [N, D] -> [N, width]."""
    most = min(vectors.shape[1], len(train))
    if width > most:
        raise UsageError(
            f"{len(train):,} text vectors of {vectors.shape[1]} dimensions cannot be reduced to {width}",
            hint=f"Ask for {most} at most",
        )
    known = vectors[torch.from_numpy(train - 1)].double().numpy()
    found = PCA(n_components=width, svd_solver="covariance_eigh").fit(known)
    return torch.from_numpy(found.transform(vectors.double().numpy())).float()
