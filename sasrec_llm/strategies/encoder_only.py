"""An encoder by itself: the baselines and the floors."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from sasrec_llm.components import BuildContext
from sasrec_llm.interfaces import Examples, Part, Recommender, Scorer, Sequences, TrainingData
from sasrec_llm.strategies.learning import encoder_loss, fit_encoder
from sasrec_llm.strategies.settings import EncoderOnlySettings


class EncoderOnly:
    def __init__(self, *, encoder: Scorer) -> None:
        self.encoder = encoder
        self.history_length = encoder.history_length

    def parts(self) -> Mapping[str, Part]:
        return {"encoder": self.encoder}

    def recommender(self, objective: str, ablation: str = "") -> Recommender:
        return self.encoder

    def loss(self, objective: str, batch: Examples | Sequences) -> Tensor:
        return encoder_loss(self.encoder, batch)

    def fit(self, objective: str, data: TrainingData) -> None:
        fit_encoder(self.encoder, data)


def build(_: EncoderOnlySettings, context: BuildContext) -> EncoderOnly:
    if context.encoder is None:
        raise ValueError("encoder-only needs an encoder")
    return EncoderOnly(encoder=context.encoder)
