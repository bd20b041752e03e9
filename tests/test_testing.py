"""What `sasrec_llm.testing` promises its users: sound components pass, each broken promise is one clear message."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sasrec_llm.components import Component, MetricComponent, Objective, Settings, Source, StrategyComponent
from sasrec_llm.plugins import Plugins
from sasrec_llm.testing import check_component, check_plugin, run_recipe, tiny_backbone, tiny_workspace

KNOWN = Plugins()
KNOWN.load()


def checked(component: Any, settings: dict[str, Any] | None = None) -> str:
    """What is said of it; nothing if it is sound."""
    try:
        check_component(component, settings, known=KNOWN)
    except AssertionError as error:
        return str(error)
    return ""


class Table(nn.Module):
    """An encoder with nothing wrong."""

    history_length = 5

    def __init__(self, settings: Settings, context: Any) -> None:
        super().__init__()
        self.likes = nn.Parameter(torch.randn(context.n_items + 1))

    def score(self, histories: Any, candidates: Any) -> Any:
        return self.likes[candidates] + 0.1 * histories.lengths[:, None]


class Batchwise(Table):
    def score(self, histories: Any, candidates: Any) -> Any:
        return super().score(histories, candidates) - self.likes[candidates].mean()


class Undefined(Table):
    def score(self, histories: Any, candidates: Any) -> Any:
        return super().score(histories, candidates) / histories.lengths[:, None]


class Forgetful(Table):
    def __init__(self, settings: Settings, context: Any) -> None:
        super().__init__(settings, context)
        self.unsaved = context.seed

    def score(self, histories: Any, candidates: Any) -> Any:
        return super().score(histories, candidates) + self.unsaved


class Chancy(Table):
    def __init__(self, settings: Settings, context: Any) -> None:
        super().__init__(settings, context)
        self.likes.data += random.random()


class Stuck(Table):
    def score(self, histories: Any, candidates: Any) -> Any:
        return 0 * super().score(histories, candidates)


class Crashing(Table):
    def score(self, histories: Any, candidates: Any) -> Any:
        return candidates * (1 // 0)


def encoder(build: Callable[..., Any], *offers: str) -> Component[Any, Any]:
    return Component(name="mine", summary="s", settings=Settings, build=build, offers=frozenset(offers or {"like"}))


def test_a_sound_encoder_passes() -> None:
    assert checked(encoder(Table)) == ""


@pytest.mark.parametrize(
    ("component", "text"),
    [
        (encoder(Batchwise), "depends on its neighbours"),
        (encoder(Undefined), "score must be finite, also for an empty history"),
        (encoder(Forgetful), "save and load must be equal"),
        (encoder(Chancy), "same seed, same scores"),
        (encoder(Stuck), "training on the loss of likes and dislikes must lower it"),
        (encoder(Crashing), f"ZeroDivisionError: integer division or modulo by zero ({__file__}:"),
        (encoder(Table, "vectors"), "AttributeError: 'Table' object has no attribute 'user_vectors'"),
    ],
)
def test_a_broken_encoder_is_told_in_one_line(component: Any, text: str) -> None:
    said = checked(component)
    assert said.startswith("encoder 'mine': ")
    assert text in said
    assert "\n" not in said


class Map(nn.Module):
    """An aligner with nothing wrong."""

    reads_states = False
    tokens = 2

    def __init__(self, settings: Settings, context: Any) -> None:
        super().__init__()
        self.map = nn.Linear(context.encoder.width, 2 * context.backbone.width)

    def forward(self, vectors: Any) -> Any:
        return self.map(vectors).unflatten(-1, (2, -1))


class OneToken(Map):
    def forward(self, vectors: Any) -> Any:
        return super().forward(vectors)[..., :1, :]


class Idle(Map):
    def __init__(self, settings: Settings, context: Any) -> None:
        super().__init__(settings, context)
        self.idle = nn.Parameter(torch.zeros(3))


class ReadsPadding(Map):
    reads_states = True

    def forward(self, vectors: Any, known: Any = None) -> Any:
        return super().forward(vectors.mean(-2))


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (Map, ""),
        (OneToken, "[..., H] must become [..., K, D]: (2, 3, 2, 16); got (2, 3, 1, 16)"),
        (Idle, "no gradient reaches idle"),
        (ReadsPadding, "states that are not known must not count"),
    ],
)
def test_aligners(build: Any, text: str) -> None:
    needs = {"encoder": frozenset({"vectors"})}
    said = checked(Component(name="mine", summary="s", settings=Settings, build=build, needs=needs))
    assert text in said if text else said == ""


class Alone:
    """A strategy with nothing wrong."""

    def __init__(self, settings: Settings, context: Any) -> None:
        self.encoder = context.encoder
        self.history_length = self.encoder.history_length
        self.weight = nn.Linear(1, 1)

    def parts(self) -> Any:
        return {"encoder": self.encoder}

    def recommender(self, objective: str, ablation: str = "") -> Any:
        return self

    def score(self, histories: Any, candidates: Any) -> Any:
        return self.encoder.score(histories, candidates)

    def loss(self, objective: str, batch: Any) -> Any:
        logits = self.score(batch.histories, batch.targets)
        return nn.functional.binary_cross_entropy_with_logits(logits, batch.labels)


class MoreParts(Alone):
    def parts(self) -> Any:
        return {"encoder": self.encoder, "weight": self.weight}


class NoGradient(Alone):
    def loss(self, objective: str, batch: Any) -> Any:
        return super().loss(objective, batch).detach() + self.weight.weight.sum()


class Ties(Alone):
    def score(self, histories: Any, candidates: Any) -> Any:
        scores = super().score(histories, candidates)
        return scores * torch.rand(())


def strategy(build: Any, capability: str = "like") -> StrategyComponent[Any, Any]:
    like = Objective(summary="o", train=("encoder",), uses=("encoder",))
    needs = {"encoder": frozenset({capability})}
    return StrategyComponent(
        name="mine", summary="s", settings=Settings, build=build, needs=needs, objectives={"like": like}
    )


@pytest.mark.parametrize(
    ("component", "text"),
    [
        (strategy(Alone), ""),
        (strategy(MoreParts), "parts() are ['encoder', 'weight'], those of its objectives ['encoder']"),
        (strategy(NoGradient), "objective 'like', trained encoder: the gradient reaches []"),
        (strategy(Ties), "depends on its neighbours"),
        (strategy(Alone, "flight"), "no part that is installed offers what it needs: encoder with flight"),
    ],
)
def test_strategies(component: Any, text: str) -> None:
    said = checked(component)
    assert text in said if text else said == ""


@pytest.mark.parametrize(
    ("measure", "text"),
    [
        (lambda found: float(found.probabilities.mean()), ""),
        (lambda found: float(found.probabilities[0]), "must not depend on the order of rows"),
        (lambda found: float(np.abs(found.probabilities - found.labels).mean()), "larger_is_better is True, but good"),
        (lambda found: "good", "must be a number or a Statistic; got str"),
        (lambda found: float("nan"), "must be a number for answers of both kinds"),
        (lambda found: float(found.probabilities.mean()) if len(found.users) else 1 / 0, "ZeroDivisionError"),
    ],
)
@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
def test_metrics(measure: Any, text: str) -> None:
    said = checked(MetricComponent(name="mine", summary="s", measure=measure))
    assert text in said if text else said == ""


ROWS = "SELECT row_number() OVER () AS line, {} FROM range(40) t(i)"
USUAL = '(i % 5)::VARCHAR AS "user", (i % 7)::VARCHAR AS item, i::VARCHAR AS "timestamp"'


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        (USUAL, ""),
        (USUAL.replace('"timestamp"', "moment"), "raw_interactions has no column timestamp"),
        (USUAL + ", 'x' AS colour", "raw_interactions has a column colour, which nothing reads"),
        (USUAL + ", i AS rating", "columns of raw_interactions must be text: rating (BIGINT)"),
        (USUAL + ", (1 + 4 * random())::VARCHAR AS rating", "same input, same bytes"),
        ("nonsense", "DuckDB could not do it"),
    ],
)
def test_sources(columns: str, text: str) -> None:
    def read(connection: Any, folder: Path, options: Any) -> None:
        connection.execute(f"CREATE TABLE raw_interactions AS {ROWS.format(columns)}")
        connection.execute("CREATE TABLE raw_items AS SELECT line, item FROM raw_interactions")

    said = checked(Source(name="mine", summary="s", licence="l", read=read, generated=True))
    assert text in said if text else said == ""


def test_settings_that_do_not_fit_and_kinds_that_cannot_be_told() -> None:
    assert checked(KNOWN.get("aligners", "mlp"), {"tokns": 2}) == (
        "aligner 'mlp': its settings: tokns unknown key (did you mean 'tokens'?)"
    )
    assert "tells its kind" in checked(Component(name="mine", summary="s", settings=Settings, build=Table))
    assert checked(object()) == "object is no component"
    assert checked(KNOWN.get("sources", "ml-1m")) == """source 'ml-1m': name its raw files: {"from": PATH}"""


def test_a_check_leaves_the_random_state_as_it_was() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    check_component(encoder(Table), known=KNOWN)
    assert torch.equal(torch.rand(1), expected)


def test_a_plugin_without_hooks_is_none() -> None:
    with pytest.raises(AssertionError, match="it implements no hook"):
        check_plugin(random)


RECIPE = """
name = "try"
[data]
use = "whatever"
[encoder]
use = "mf"
width = 8
[strategy]
use = "encoder-only"
[stages.encoder]
objective = "like"
train = ["encoder"]
epochs = 8
batch_size = 64
lr = 2e-2
"""


def test_a_recipe_runs_on_tiny_data_and_learns(tmp_path: Path) -> None:
    figures = run_recipe(RECIPE)
    assert figures["auc"] is not None
    assert figures["auc"] > 0.7
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE)
    quick = run_recipe(path, changes=["stages.encoder.epochs=1", "evaluate.metrics=['auc']"], folder=tmp_path / "kept")
    assert list(quick) == ["auc"]
    assert len(list(tmp_path.glob("kept/runs/*/metrics.json"))) == 1


def test_tiny_data_is_the_same_every_time_and_the_tiny_backbone_writes(tmp_path: Path) -> None:
    card = [(tiny_workspace(tmp_path / name).data / "tiny" / "card.json").read_text() for name in ("a", "b")]
    assert card[0] == card[1]
    backbone = tiny_backbone()
    assert (backbone.width, backbone.embed_texts(["Red film 1 (1981)"]).shape) == (16, (1, 16))
    assert list(backbone.lora.parameters())
