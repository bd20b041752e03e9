"""Preparing data, ranking metrics, starting."""

from __future__ import annotations

import os
from pathlib import Path

from case import Case, Command
from ratings import RATINGS

ROOT = Path(__file__).parents[1]
ML_1M = str(Path(os.environ.get("SRL_TEST_DATA", "."), "ml-1m-reconstructed", "ml-1m.zip"))
SAME = dict.fromkeys(("kept", "train", "valid", "test"), 0.0)
METRICS = ("hr@10", "hr@20", "ndcg@10", "ndcg@20", "mrr@10", "mrr@20")
IMPORTS = Command("start.py", ("-c", "import typer, pluggy, pydantic"), note="wanted: 0.2 s more at most")


def tables(name: str, given: str) -> Command:
    return Command(f"peers/prepare_{name}.py", (given,), "tables", note="writes nothing")


def metrics(peer: str, environment: str, tolerance: float, target: float) -> Case:
    return Case(
        "HR, NDCG and MRR at 10 and 20 of 6,040 lists",
        "s",
        Command("ours/ranking_metrics.py"),
        {peer: Command(f"peers/ranking_metrics_{peer.lower()}.py", environment=environment)},
        {peer: target},
        more_is_better=False,
        tolerance=dict.fromkeys(METRICS, tolerance),
    )


def starting(said: str, *args: str) -> Case:
    installed = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""}  # compiled once, like the peer's packages
    ours = Command("start.py", ("-m", "sasrec_llm", *args), settings=installed)
    return Case(f"`{said}`, start to end", "s", ours, {"imports": IMPORTS}, {"imports": 0.3}, more_is_better=False)


DATA: dict[str, Case] = {
    "prepare-csv": Case(
        "25 million rows of CSV to prepared Parquet, 5-core",
        "s",
        Command("ours/prepare_csv.py", (str(RATINGS),)),
        {name: tables(name, str(RATINGS)) for name in ("polars", "pandas")},
        {"polars": 1, "pandas": 2},
        more_is_better=False,
        tolerance=SAME,
    ),
    "prepare-csv-written": Case(
        "the same",
        "s",
        Command("ours/prepare_csv.py", (str(RATINGS),)),
        {"polars": Command("peers/prepare_polars.py", (str(RATINGS), "--write"), "tables", note="writes the rows too")},
        {"polars": 1},
        more_is_better=False,
        tolerance=SAME,
    ),
    "prepare-ml-1m": Case(
        "ML-1M as released to prepared Parquet, 5-core",
        "s",
        Command("ours/prepare_ml_1m.py", (ML_1M,)),
        {"pandas": tables("pandas", ML_1M)},
        {"pandas": 5},
        more_is_better=False,
        tolerance=SAME,
    ),
    "metrics-rectools": metrics("RecTools", "rectools", 1e-9, 3),
    "metrics-torchmetrics": metrics("torchmetrics", "metrics", 1e-7, 50),  # computes in float32
    "embedding": Case(
        "12,101 titles to vectors with all-MiniLM-L6-v2",
        "texts/s",
        Command("ours/embedding.py"),
        {"sentence-transformers": Command("peers/embedding_sentence_transformers.py", environment="texts")},
        {"sentence-transformers": 2},
        tolerance={"first": 1e-5, "mean": 1e-6},
    ),
    "embedding-bf16": Case(
        "the same in bf16, on a processor that has it; they in float32, as they come",
        "texts/s",
        Command("ours/embedding.py", ("--dtype", "bf16")),
        {"sentence-transformers": Command("peers/embedding_sentence_transformers.py", environment="texts")},
        {"sentence-transformers": 2},
        tolerance={"first": 1e-3, "mean": 1e-4},
    ),
    "embedding-again": Case(
        "the same titles a second time",
        "texts/s",
        Command("ours/embedding.py", ("--again",)),
        {"sentence-transformers": Command("peers/embedding_sentence_transformers.py", environment="texts")},
        {"sentence-transformers": 100},
    ),
    "start-help": starting("srl --help", "--help"),
    "start-validate": starting("srl recipes validate", "recipes", "validate", str(ROOT / "recipes" / "sasrec.toml")),
}
