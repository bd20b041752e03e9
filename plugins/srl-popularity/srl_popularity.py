"""Popularity: an item scores by how often it was liked in train, for everyone alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic import Field

from sasrec_llm import Component, Settings, hookimpl

if TYPE_CHECKING:  # a plugin is imported by every command
    from sasrec_llm import BuildContext, Histories, Rows


class PopularitySettings(Settings):
    """How popularity is counted."""

    smoothing: float = Field(1.0, gt=0, description="likes added to every item")


def build(settings: PopularitySettings, context: BuildContext) -> Any:
    """torch is imported here, so that listing and checking recipes stay instant."""
    import torch
    from torch import Tensor, nn

    class Popularity(nn.Module):
        history_length = 1

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("scores", torch.zeros(context.n_items + 1))

        def fit(self, rows: Rows) -> None:
            likes = torch.bincount(torch.from_numpy(rows.items[rows.labels == 1]), minlength=len(self.scores))
            counts = likes + settings.smoothing
            self.scores.copy_(counts.log() - counts[1:].log().mean())

        def score(self, histories: Histories, candidates: Tensor) -> Tensor:
            return self.scores[candidates]  # [B, C]

    return Popularity()


@hookimpl
def srl_encoders() -> Iterable[Component[Any, Any]]:
    yield Component(
        name="smoothed-popularity",
        summary="most liked in train first, the same for everyone",
        settings=PopularitySettings,
        build=build,
        offers=frozenset({"fit"}),
    )
