"""The mapping layer: two linear layers with ReLU between, cut into K tokens (eq. 8-9)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sasrec_llm.aligners.settings import MLPSettings
from sasrec_llm.components import BuildContext


class MLPAligner(nn.Module):
    """[..., H] -> [..., K, D].

    The default initialisation of a linear layer makes soft tokens about twelve times as long as token embeddings,
    which costs accuracy. Here vectors of unit variance start as tokens of standard deviation `scale`, that of the token
    embeddings, or all start at zero.
    """

    def __init__(self, *, in_width: int, out_width: int, tokens: int, expansion: int, scale: float) -> None:
        super().__init__()
        self.tokens = tokens
        self.expand = nn.Linear(in_width, expansion * in_width)
        self.project = nn.Linear(expansion * in_width, tokens * out_width)
        nn.init.kaiming_normal_(self.expand.weight, nonlinearity="relu")
        nn.init.zeros_(self.expand.bias)
        # ReLU(expand(x)) has mean square 1 for an x of unit variance; weights of variance s²/fan_in then give s².
        nn.init.normal_(self.project.weight, std=scale / (expansion * in_width) ** 0.5)
        nn.init.zeros_(self.project.bias)

    def forward(self, vectors: Tensor) -> Tensor:
        flat = self.project(torch.relu(self.expand(vectors)))  # [..., K * D]
        return flat.unflatten(-1, (self.tokens, -1))  # type: ignore[no-any-return]


def build(settings: MLPSettings, context: BuildContext) -> MLPAligner:
    if context.encoder is None or context.backbone is None:
        raise ValueError("an aligner is built after encoder and backbone")
    return MLPAligner(
        in_width=context.encoder.width,  # type: ignore[attr-defined]
        out_width=context.backbone.width,
        tokens=settings.tokens,
        expansion=settings.expansion,
        scale=context.backbone.embedding_scale if settings.output == "norm-matched" else 0.0,
    )
