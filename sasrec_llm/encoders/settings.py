"""Settings of the built-in encoders."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sasrec_llm.components import Settings


class NextItemSettings(Settings):
    """How an encoder learns which item comes next (objective `next-item`)."""

    loss: Literal["softmax", "sampled-softmax", "gbce", "bce"] = Field(
        "softmax", description="over all items, or over a sample of them"
    )
    negatives: int = Field(256, ge=1, description="items drawn for a batch by the sampled losses; by bce for each step")
    calibration: float = Field(0.75, ge=0, le=1, description="t of gbce; 0 is plain binary cross-entropy")
    sparse: bool = Field(
        False,
        description="a step changes the rows of the item table that it reads, and no other: for 100,000 items and more",
    )

    @model_validator(mode="after")
    def _few_rows_are_read(self) -> NextItemSettings:
        if self.sparse and self.loss == "softmax":
            raise ValueError("sparse has no use with loss = 'softmax', which reads every row; take 'gbce'")
        return self


class SASRecSettings(NextItemSettings):
    """Paper section 3.1.1 and 4.2."""

    width: int = Field(64, ge=1, description="H, size of item and user vectors")
    blocks: int = Field(2, ge=1)
    heads: int = Field(4, ge=1)
    dropout: float = Field(0.2, ge=0, lt=1)
    max_length: int = Field(25, ge=1, description="T, items of the history that are read")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> SASRecSettings:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")
        return self


class MFSettings(NextItemSettings):
    """Matrix factorisation."""

    width: int = Field(64, ge=1, description="H, size of item and user vectors")
    biases: bool = Field(True, description="a bias for every user, every item, and all")
    std: float = Field(0.01, gt=0, description="of the vectors before training")
    dropout: float = Field(0.0, ge=0, lt=1, description="of the vectors; the biases stay")


class NCFSettings(Settings):
    """NeuMF: factorisation and a network, side by side."""

    width: int = Field(16, ge=1, description="size of the vectors that are multiplied")
    mlp: tuple[int, ...] = Field(
        (64, 32, 16), min_length=1, description="the network: size of user and item vector together, then of each layer"
    )
    dropout: float = Field(0.2, ge=0, lt=1)

    @model_validator(mode="after")
    def _layers_have_a_size(self) -> NCFSettings:
        if min(self.mlp) < 1 or self.mlp[0] % 2:
            raise ValueError(f"mlp {list(self.mlp)} must be positive, and start with an even number")
        return self


class GRU4RecSettings(NextItemSettings):
    """A recurrent network over the history."""

    width: int = Field(64, ge=1, description="H, size of item and user vectors")
    hidden: int = Field(64, ge=1, description="size of the GRU's state")
    layers: int = Field(1, ge=1)
    dropout: float = Field(0.2, ge=0, lt=1)
    max_length: int = Field(25, ge=1, description="T, items of the history that are read")


class BERT4RecSettings(SASRecSettings):
    """Attention in both directions over the history."""

    mask_prob: float = Field(0.2, gt=0, le=1, description="share of the items that are hidden and asked for")
    mask_last: float = Field(0.1, ge=0, le=1, description="share of sequences of which the last item alone is hidden")


class ConstantSettings(Settings):
    """Nothing to set."""


class ItemMeanSettings(Settings):
    """The floor everyone can compute."""

    prior_rows: float = Field(5.0, ge=0, description="m: rows of the overall mean mixed into each item's mean")


class BiasRegressionSettings(Settings):
    """The floor that beats most published systems on ML-1M."""

    inverse_l2: float = Field(1.0, gt=0, description="C of the logistic regression")


class StackedSettings(Settings):
    """Boosted trees over everything cheap."""

    max_length: int = Field(50, ge=1, description="T, items of the history that are read")
    tempo: bool = Field(True, description="look at when likes were given; false where the times were made up")
    folds: int = Field(5, ge=2, description="groups of users; what is said of items to one comes from all others")
    neighbours: int = Field(100, ge=1, description="items liked by the same users that are kept for each item")
    max_rows: int = Field(100_000, ge=1, description="train rows that the model learns from, drawn at random of more")
    trees: int = Field(200, ge=1)
    leaves: int = Field(8, ge=2, description="of each tree")
    evenness: float = Field(
        0.25, ge=0, le=1, description="0: all train rows count the same; 1: all users do, however many rows they have"
    )


class PopularitySettings(Settings):
    """What was liked most often in train."""

    days: float | None = Field(None, gt=0, description="count back from the last moment of train; without it, all")
    smoothing: float = Field(1.0, gt=0, description="likes added to every item")


class PopularityWeekSettings(PopularitySettings):
    """What was liked most often in the last 7 days of train."""

    days: float | None = Field(7.0, gt=0, description="count back from the last moment of train; without it, all")


class PopularityMonthSettings(PopularitySettings):
    """What was liked most often in the last 30 days of train."""

    days: float | None = Field(30.0, gt=0, description="count back from the last moment of train; without it, all")


class MarkovSettings(Settings):
    """P(j | i) = (n(i→j) + a P(j)) / (n(i) + a)."""

    prior: float = Field(1.0, gt=0, description="a: how many transitions popularity is worth")
    smoothing: float = Field(1.0, gt=0, description="likes added to every item in its popularity P(j)")


Weighting = Literal["same", "linear", "log", "div", "quadratic", "harmonic"]
WeightingScore = Literal["same", "linear", "log", "div", "quadratic"]


class ItemKNNSettings(Settings):
    """Cosine of the items' sets of users."""

    neighbours: int = Field(20, ge=1, description="nearest items kept for each item")
    shrink: float = Field(20.0, ge=0, description="pulls the similarity of rare items to 0")
    weighting: Weighting = Field("linear", description="how items of the history fade with age")
    max_length: int = Field(50, ge=1, le=500, description="T, items of the history that are read")


class SKNNSettings(Settings):
    """Jannach & Ludewig 2017. A few of the newest items find better neighbours than all of them."""

    neighbours: int = Field(200, ge=1, description="k, the sessions that vote")
    sample: int = Field(5000, ge=1, description="m, the most recent sessions that they are chosen from")
    similarity: Literal["cosine", "dot"] = "cosine"
    max_length: int = Field(3, ge=1, le=500, description="T, items of the history that are read")


class VSKNNSettings(SKNNSettings):
    """Ludewig & Jannach 2018. Ages count from the newest item, 1; L is the length of the history."""

    max_length: int = Field(50, ge=1, le=500, description="T, items of the history that are read")
    weighting: Weighting = Field(
        "linear",
        description="of an item of age a, in the similarity: same 1, linear 1 - (a - 1) / 10, log 1 / log10(a + .7), "
        "div (L - a + 1) / L, quadratic its square, harmonic 1 / a",
    )
    weighting_score: WeightingScore = Field(
        "div",
        description="of a session whose newest shared item has age a: same 1, linear 1 - a / 10, "
        "log 1 / log10(a + 1.7), div 1 / a, quadratic 1 / a²",
    )
    idf: float = Field(1.0, ge=0, description="λ: item scores are multiplied by 1 + λ log(sessions / sessions with it)")
