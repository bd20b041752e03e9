"""What a sentence-transformers folder says about itself: `modules.json` and the files it names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sasrec_llm.backbones.text_vectors import Pooling
from sasrec_llm.durable import read_json
from sasrec_llm.errors import ModelError

MODES: dict[str, Pooling] = {"mean": "mean", "cls": "cls", "lasttoken": "last"}
OLD_MODES = {  # one switch for each, before sentence-transformers named the mode
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """A plain Hugging Face encoder says nothing but where it is."""

    transformer: Path
    pooling: Pooling = "mean"
    normalise: bool = False
    max_tokens: int | None = None
    lower_case: bool = False


def read_layout(folder: Path, *, chosen: bool = False) -> Layout:
    """`chosen`: the recipe says how to pool, so a mode that is not read here is no obstacle."""
    if not (folder / "modules.json").is_file():
        return Layout(folder)
    transformer, pooling, normalise = folder, MODES["mean"], False
    for module in read_json(folder / "modules.json"):
        kind, path = module["type"].rpartition(".")[2], folder / module["path"]
        if kind == "Transformer":
            transformer = path
        elif kind == "Pooling" and not chosen:
            pooling = _pooling(read_json(path / "config.json"), path)
        elif kind == "Normalize":
            normalise = True
        elif kind not in ("Pooling", "Dropout"):
            raise ModelError(
                f"{folder} ends in a {kind} layer, which is not read here: its vectors would be other ones",
                hint="Take a model of a transformer, a pooling and at most a normalisation",
            )
    said = _json(transformer / "sentence_bert_config.json") or {}
    return Layout(transformer, pooling, normalise, said.get("max_seq_length"), bool(said.get("do_lower_case")))


def _pooling(config: dict[str, Any], path: Path) -> Pooling:
    named = config.get("pooling_mode", [name for key, name in OLD_MODES.items() if config.get(key)])
    modes = [named] if isinstance(named, str) else list(named)
    if len(modes) != 1 or modes[0] not in MODES:
        raise ModelError(
            f"{path} pools by {' and '.join(modes) or 'nothing'}; {', '.join(MODES)} are read here",
            hint="Choose another way: --set backbone.pooling=mean",
        )
    return MODES[modes[0]]


def _json(path: Path) -> Any:
    return read_json(path) if path.is_file() else None
