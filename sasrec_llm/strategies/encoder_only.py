"""An encoder by itself: the baselines and the floors."""

from __future__ import annotations

from collections.abc import Mapping

from sasrec_llm.components import BuildContext
from sasrec_llm.interfaces import Part, Recommender, Scorer
from sasrec_llm.strategies.settings import EncoderOnlySettings


class EncoderOnly:
    def __init__(self, *, encoder: Scorer) -> None:
        self.encoder = encoder
        self.history_length = encoder.history_length

    def parts(self) -> Mapping[str, Part]:
        return {"encoder": self.encoder}

    def recommender(self, objective: str) -> Recommender:
        return self.encoder


def build(_: EncoderOnlySettings, context: BuildContext) -> EncoderOnly:
    if context.encoder is None:
        raise ValueError("encoder-only needs an encoder")
    return EncoderOnly(encoder=context.encoder)
