"""The last layer of every aligner: into the language model's space, at its scale."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from sasrec_llm.aligners.settings import AlignerSettings
from sasrec_llm.components import BuildContext


class TokenOutput(nn.Linear):
    """[..., W] -> [..., K, D].

    The default initialisation of a linear layer makes soft tokens about twelve times as long as token embeddings,
    which costs accuracy. Here inputs of mean square 1 start as tokens of standard deviation `scale`, that of the token
    embeddings, or all start at zero.
    """

    def __init__(self, *, in_width: int, out_width: int, tokens: int, scale: float) -> None:
        super().__init__(in_width, tokens * out_width)
        self.tokens = tokens
        nn.init.normal_(self.weight, std=scale / in_width**0.5)  # weights of variance s²/fan_in give s²
        nn.init.zeros_(self.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs).view(*inputs.shape[:-1], self.tokens, -1)


def shape(settings: AlignerSettings, context: BuildContext) -> dict[str, Any]:
    """Widths and scale, from the parts that are built before."""
    if context.encoder is None or context.backbone is None:
        raise ValueError("an aligner is built after encoder and backbone")
    return {
        "in_width": context.encoder.width,  # type: ignore[attr-defined]
        "out_width": context.backbone.width,
        "tokens": settings.tokens,
        "scale": context.backbone.embedding_scale if settings.output == "norm-matched" else 0.0,
    }
