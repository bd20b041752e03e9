"""The plugin as installed: found, sound, and correct."""

from __future__ import annotations

from importlib.metadata import entry_points

import numpy as np
import srl_popularity
import torch

from sasrec_llm import Rows
from sasrec_llm.testing import check_encoder, check_plugin, context, histories


def test_it_is_installed_and_keeps_the_promises_of_an_encoder() -> None:
    (entry,) = entry_points(group="srl", name="popularity")
    assert entry.load() is srl_popularity
    check_plugin(srl_popularity)
    (component,) = srl_popularity.srl_encoders()
    check_encoder(component)


def test_more_liked_scores_higher_and_dislikes_do_not_count() -> None:
    encoder = srl_popularity.build(srl_popularity.PopularitySettings(), context())
    likes = Rows(np.array([1, 2, 3, 4]), np.array([5, 5, 6, 7]), np.array([1, 1, 1, 0]), np.arange(4))
    encoder.fit(likes)
    scores = encoder.score(histories([[1]], 1), torch.tensor([[5, 6, 7, 8]]))[0]
    assert scores[0] > scores[1] > scores[2] == scores[3]
