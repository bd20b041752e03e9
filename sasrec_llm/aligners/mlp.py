"""The mapping layer: two linear layers with ReLU between, cut into K tokens (eq. 8-9); or one linear layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sasrec_llm.aligners.output import TokenOutput, shape
from sasrec_llm.aligners.settings import LinearSettings, MLPSettings
from sasrec_llm.components import BuildContext


class MLPAligner(nn.Module):
    """[..., H] -> [..., K, D]. An `expansion` of 0 leaves the hidden layer out."""

    reads_states = False

    def __init__(self, *, in_width: int, out_width: int, tokens: int, expansion: int, scale: float) -> None:
        super().__init__()
        self.tokens = tokens
        hidden = expansion * in_width
        self.expand = nn.Linear(in_width, hidden) if expansion else None
        self.project = TokenOutput(in_width=hidden or in_width, out_width=out_width, tokens=tokens, scale=scale)
        if self.expand is not None:  # ReLU(expand(x)) has mean square 1 for an x of unit variance
            nn.init.kaiming_normal_(self.expand.weight, nonlinearity="relu")
            nn.init.zeros_(self.expand.bias)

    def forward(self, vectors: Tensor, known: Tensor | None = None) -> Tensor:
        if self.expand is not None:
            vectors = torch.relu(self.expand(vectors))
        return self.project(vectors)  # type: ignore[no-any-return]


def build(settings: MLPSettings, context: BuildContext) -> MLPAligner:
    return MLPAligner(expansion=settings.expansion, **shape(settings, context))


def build_linear(settings: LinearSettings, context: BuildContext) -> MLPAligner:
    return MLPAligner(expansion=0, **shape(settings, context))
