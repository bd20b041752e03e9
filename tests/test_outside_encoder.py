"""An encoder from outside: installed from a folder, held to the same contract, trained inside token-mapping."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from sasrec_llm.experiment import run
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.runs import Workspace
from sasrec_llm.testing import check_encoder

CODE = '''
"""Caser in miniature: the user is a weighted sum of the last items, the weights learned by place."""

import torch
from sasrec_llm import Component, Settings, hookimpl


class PlacesSettings(Settings):
    """How many places, how wide."""

    width: int = 16
    places: int = 5


class Places(torch.nn.Module):
    def __init__(self, settings, context):
        super().__init__()
        self.width, self.history_length = settings.width, settings.places
        self.items = torch.nn.Embedding(context.n_items + 1, settings.width, padding_idx=0)
        self.weight = torch.nn.Parameter(torch.randn(settings.places) * 0.3)

    def user_vectors(self, histories):
        items = histories.last(self.history_length)
        return torch.einsum("t,bth->bh", self.weight[-items.shape[1] :], self.items(items))

    def item_vectors(self, items):
        return self.items(items)

    def score(self, histories, candidates):
        return torch.einsum("bh,bch->bc", self.user_vectors(histories), self.items(candidates))

    def next_item_loss(self, sequences):
        histories, target = sequences.inputs, sequences.items[:, -1]
        logits = self.user_vectors(histories) @ self.items.weight.T
        return torch.nn.functional.cross_entropy(logits, target)


@hookimpl
def srl_encoders():
    yield Component(
        name="places",
        summary="weights by place",
        settings=PlacesSettings,
        build=Places,
        offers=frozenset({"vectors", "like", "next-item"}),
    )
'''


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plugins:
    folder = tmp_path / "site"
    (folder / "srl_places-0.3.dist-info").mkdir(parents=True)
    (folder / "srl_places.py").write_text(CODE)
    (folder / "srl_places-0.3.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: srl-places\nVersion: 0.3\n"
    )
    (folder / "srl_places-0.3.dist-info" / "entry_points.txt").write_text("[srl]\nplaces = srl_places\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "srl_places", raising=False)
    found = Plugins()
    found.load()
    return found


def test_it_keeps_the_same_promises(outside: Plugins) -> None:
    check_encoder(outside.get("encoders", "places"))


def test_it_trains_inside_token_mapping_and_by_itself(
    outside: Plugins, few_folder: Path, workspace: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shutil.copytree(few_folder, workspace / "data" / "demo")
    place = Workspace(workspace / "data", workspace / "runs", tmp_path_factory.getbasetemp() / "cache")
    few = {"epochs": 2, "epoch_steps": 3, "batch_size": 16}
    tiny = {"use": "tiny-llama", "width": 16, "layers": 1, "heads": 2, "vocabulary": 400, "pretrain_steps": 2}
    table = {
        "name": "outside",
        "data": {"use": "demo"},
        "encoder": {"use": "places"},
        "aligner": {"use": "mlp"},
        "backbone": tiny,
        "strategy": {"use": "token-mapping", "titles": 2},
        "stages": {
            "alone": {"objective": "like", "train": ["encoder"], **few},
            "whole": {"objective": "hybrid", "train": ["encoder", "aligner", "lora"], **few},
        },
    }
    outcome = run(check_recipe(table, "test", outside), "# test", place, outside)
    assert "outside" in outcome.tables["test"][0].systems
    ranked = {
        "name": "outside-next",
        "data": {"use": "demo", "protocol": "leave-one-out"},
        "encoder": {"use": "places"},
        "strategy": {"use": "encoder-only"},
        "stages": {"alone": {"objective": "next-item", "train": ["encoder"], **few}},
    }
    found = run(check_recipe(ranked, "test", outside), "# test", place, outside).tables["test"][0].systems
    assert set(found) == {"outside-next", "popularity", "popularity-7d", "popularity-30d", "markov"}
