"""The contracts between parts.

Shape letters, used everywhere: B batch, T history length, C candidates, N items, H encoder width,
D backbone width, L prompt length, K soft tokens. Item and user ids count from 1; 0 is padding / unknown.
"""

from sasrec_llm.interfaces.backbones import (
    Backbone,
    BranchingBackbone,
    Mergeable,
    Portable,
    Reading,
    Shardable,
    TextEmbedder,
    TextTokenizer,
    WritingBackbone,
)
from sasrec_llm.interfaces.batches import Examples, Histories, Rows, Sequences, TrainingData
from sasrec_llm.interfaces.encoders import (
    Aligner,
    Encoder,
    Fittable,
    NextItemLearner,
    RowReader,
    Scorer,
    StatefulEncoder,
    TableEncoder,
)
from sasrec_llm.interfaces.events import RunInfo, StageInfo
from sasrec_llm.interfaces.metrics import Metric, Ranked, Scored, Statistic
from sasrec_llm.interfaces.recommenders import (
    Factored,
    Lister,
    Member,
    Part,
    Prompted,
    Ranker,
    Rater,
    Recommender,
    Vectored,
)
from sasrec_llm.interfaces.strategies import Dependent, Strategy

__all__ = [
    "Aligner",
    "Backbone",
    "BranchingBackbone",
    "Dependent",
    "Encoder",
    "Examples",
    "Factored",
    "Fittable",
    "Histories",
    "Lister",
    "Member",
    "Mergeable",
    "Metric",
    "NextItemLearner",
    "Part",
    "Portable",
    "Prompted",
    "Ranked",
    "Ranker",
    "Rater",
    "Reading",
    "Recommender",
    "RowReader",
    "Rows",
    "RunInfo",
    "Scored",
    "Scorer",
    "Sequences",
    "Shardable",
    "StageInfo",
    "StatefulEncoder",
    "Statistic",
    "Strategy",
    "TableEncoder",
    "TextEmbedder",
    "TextTokenizer",
    "TrainingData",
    "Vectored",
    "WritingBackbone",
]
