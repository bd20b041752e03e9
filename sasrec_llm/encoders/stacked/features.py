"""A user's history, a candidate, and what is known of both, as one line of numbers."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sasrec_llm.encoders.stacked.content import unit
from sasrec_llm.encoders.stacked.items import DAY, ItemFacts
from sasrec_llm.interfaces import Histories

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SPANS = (300, 3_600, DAY, 7 * DAY)  # seconds: likes of the last so many are counted
LONG_AGO = 20.0  # log-seconds since the last like, where there is none
FADING = 10.0  # items of a history after which one counts a third
# How much users differ in their fondness: of everything, of newer items (by a dozen years), of categories, of words.
VARIANCES = (0.05, 0.03, 0.05, 0.05)


class Features(nn.Module):
    """[B, C] pairs -> [B, C, F]"""

    content: Tensor

    def __init__(self, *, year: Floats, categories: Floats, text: Floats, tempo: bool) -> None:
        """Of the items, item 1 first: year [N], categories [N, G] of 0 and 1, text [N, D] of unit length."""
        super().__init__()
        self.n_categories = int(categories.shape[1])
        self.tempo = tempo
        middle = year.mean() if len(year) else 0.0
        parts = [np.ones((len(year), 1)), (year[:, None] - middle) / 12, unit(categories), text]
        padded = np.pad(np.concatenate(parts, axis=1), ((1, 0), (0, 0)))  # [N + 1, 1 + 1 + G + D]
        self.register_buffer("content", torch.from_numpy(padded))
        self.scale = np.sqrt(np.repeat(VARIANCES, [part.shape[1] for part in parts]))

    @property
    def width(self) -> int:
        return 10 + len(SPANS) + 3 * 4 + self.n_categories

    def tastes(self) -> Floats:
        """What a user may be fond of, for `users.py` -> [N + 1, 1 + 1 + G + D]"""
        found: Floats = self.content.numpy() * self.scale
        return found

    def forward(self, histories: Histories, candidates: Tensor, notes: Floats, facts: ItemFacts) -> Tensor:
        """notes [B, 2 + 1 + 1 + G + D] of the users."""
        items, asked, times = histories.items.numpy(), candidates.numpy(), histories.times.numpy()
        seen, new = self.content.numpy()[items], self.content.numpy()[asked]
        known = (items != 0).astype(np.float64)  # [B, T]
        newer = np.cumsum(known[:, ::-1], axis=1)[:, ::-1] - known  # items of the history after each
        fade = known * np.exp(-newer / FADING)
        first = facts.array("first")[asked]
        of_user = [notes[:, 0], notes[:, 1], np.log1p(histories.lengths.numpy()), *self._tempo(histories, known)]
        columns = [np.broadcast_to(column[:, None], asked.shape) for column in of_user]
        columns += [facts.array("appeal")[asked], facts.array("share")[asked], np.log1p(facts.array("count")[asked])]
        columns += [np.where(first > 0, np.maximum(times[:, None] / DAY - first, 0), 0.0), new[..., 1]]
        columns += [((new * self.scale) @ notes[:, 2:, None])[..., 0]]
        categories, text = np.s_[..., 2 : 2 + self.n_categories], np.s_[..., 2 + self.n_categories :]
        for likeness in (
            facts.alike.similar.at(*np.broadcast_arrays(asked[:, :, None], items[:, None, :])),
            new[text] @ seen[text].transpose(0, 2, 1),
            new[categories] @ seen[categories].transpose(0, 2, 1),
        ):
            columns += _summaries(likeness * known[:, None], known.sum(1), fade)
        found = np.concatenate([np.stack(columns, axis=-1), new[categories] > 0], axis=-1)
        return torch.from_numpy(found.astype(np.float32))

    def _tempo(self, histories: Histories, known: Floats) -> list[Floats]:
        """How long ago the user liked something, and how many likes fell in each of the last spans; each [B]"""
        if histories.liked_at is None or not self.tempo:
            return [np.full(len(known), LONG_AGO), *(np.zeros(len(known)) for _ in SPANS)]
        passed = np.maximum(histories.times.numpy()[:, None] - histories.liked_at.numpy(), 0)
        since = np.where(known > 0, np.log1p(passed), LONG_AGO).min(1, initial=LONG_AGO)
        return [since, *(np.log1p(((passed < span) * known).sum(1)) for span in SPANS)]


def _summaries(likeness: Floats, count: Floats, fade: Floats) -> list[Floats]:
    """[B, C, T] -> mean, greatest, mean of what is recent, root of the sum; each [B, C]"""
    total = likeness.sum(2)
    recent = (likeness * fade[:, None]).sum(2) / (fade.sum(1) + 0.5)[:, None]
    return [total / (count + 1)[:, None], likeness.max(2, initial=0.0), recent, np.sqrt(np.maximum(total, 0))]
