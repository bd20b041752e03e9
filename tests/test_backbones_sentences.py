"""Sentence encoders: what the folder says, the same vector in any company, each text once and never again."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from sasrec_llm.backbones import vector_cache
from sasrec_llm.backbones.model_files import model_hash
from sasrec_llm.backbones.sentence_encoder import SentenceEncoder, load
from sasrec_llm.backbones.settings import SentenceEncoderSettings
from sasrec_llm.errors import DamagedError, ModelError, NonFiniteError
from sasrec_llm.plugins import Plugins
from sasrec_llm.testing import check_backbone
from tests.conftest import ROOT
from tests.tiny_models import gpt, save_model, save_sentence_encoder, unigram, wordpiece, write

TEXTS = [
    "Heat (1995)",
    "",
    "Toy Story (1995) " * 30,
    " ",
    "x",
    "the [MASK] of [SEP] and [PAD]",
    'two\nlines "and" 🎬',
    "Heat (1995)",
    "<unk></s>",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sentence_encoder(tmp_path_factory.mktemp("models") / "mini", wordpiece())


def encoder(folder: Path, cache: Path | None = None, **changes: Any) -> SentenceEncoder:
    settings = SentenceEncoderSettings.model_validate({"model": str(folder)} | changes)
    return load(settings, cache=cache, device="cpu")


def reference(folder: Path, text: str, pooling: str, longest: int = 24) -> Tensor:
    """One text by itself, without padding."""
    tokenizer, model = AutoTokenizer.from_pretrained(str(folder)), AutoModel.from_pretrained(str(folder))
    ids = tokenizer(text, truncation=True, max_length=longest, split_special_tokens=True, return_tensors="pt")
    with torch.inference_mode():
        states = model.eval()(**ids).last_hidden_state[0]
    return {"mean": states.mean(0), "cls": states[0], "last": states[-1]}[pooling]


@pytest.mark.parametrize("pooling", ["auto", "mean", "last", "cls"])
@pytest.mark.parametrize("batch_tokens", [1, 60, 8192])
def test_vectors_are_those_of_each_text_by_itself(folder: Path, pooling: str, batch_tokens: int) -> None:
    found = encoder(folder, pooling=pooling, normalise=False, batch_tokens=batch_tokens).embed_texts(TEXTS)
    assert found.dtype == torch.float32
    for row, text in enumerate(TEXTS):
        expected = reference(folder, text, "mean" if pooling == "auto" else pooling)
        assert torch.allclose(found[row], expected, atol=1e-5), text


def test_a_text_has_the_same_vector_in_any_company(folder: Path) -> None:
    model = encoder(folder)
    together = model.embed_texts(TEXTS)
    assert torch.equal(together[0], together[7])
    assert together.isfinite().all()
    for row, text in enumerate(TEXTS):
        assert torch.allclose(together[row], model.embed_texts([text])[0], atol=1e-5)
    assert model.embed_texts([]).shape == (0, model.width)


def test_names_of_special_tokens_are_text(folder: Path) -> None:
    """[MASK] as three word pieces, not as the token that asks for a word."""
    model = encoder(folder)
    (ids,) = model._encode(["a [MASK]"])
    assert wordpiece().mask_token_id not in ids
    assert len(ids) > 4


def test_names_that_a_unigram_model_knows_are_text_too(tmp_path: Path) -> None:
    """The multilingual encoders have such a tokenizer."""
    model = encoder(save_model(tmp_path / "m", "xlm-roberta", unigram(), AutoModel, pad_token_id=3))
    (ids,) = model._encode(["a </s> b"])
    assert [at for at, token in enumerate(ids) if token == unigram().eos_token_id] == [len(ids) - 1]


def test_it_keeps_the_promises_of_a_backbone(folder: Path, builtins: Plugins) -> None:
    check_backbone(builtins.get("backbones", "sentence-encoder"), {"model": str(folder)})


def test_check_backbone_notices_neighbours(folder: Path, builtins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(self: SentenceEncoder, tokens: Tensor, lengths: Tensor) -> Tensor:
        return self._loaded[0](input_ids=tokens).last_hidden_state  # type: ignore[no-any-return]

    monkeypatch.setattr(SentenceEncoder, "_states", blind)
    with pytest.raises(AssertionError, match="depends on the other texts"):
        check_backbone(builtins.get("backbones", "sentence-encoder"), {"model": str(folder)})


def test_a_run_in_half_precision_does_not_change_them(folder: Path) -> None:
    model = encoder(folder)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(model.embed_texts(TEXTS), model.embed_texts(TEXTS).float())
        half = model.embed_texts(TEXTS)
    assert torch.equal(half, model.embed_texts(TEXTS))


def test_the_folder_decides_what_the_recipe_leaves_open(tmp_path: Path, folder: Path) -> None:
    assert torch.allclose(encoder(folder).embed_texts(TEXTS).norm(dim=1), torch.ones(len(TEXTS)))
    by_class = save_sentence_encoder(tmp_path / "cls", wordpiece(), pooling="cls_token", normalise=False)
    assert torch.allclose(encoder(by_class).embed_texts(["x"])[0], reference(by_class, "x", "cls"), atol=1e-5)
    write(by_class / "1_Pooling" / "config.json", {"pooling_mode": "lasttoken"})
    assert torch.allclose(encoder(by_class).embed_texts(["x"])[0], reference(by_class, "x", "last"), atol=1e-5)
    plain = save_model(tmp_path / "plain", "bert", wordpiece(), AutoModel, pad_token_id=0)
    long = TEXTS[2]
    assert torch.allclose(encoder(plain).embed_texts([long])[0], reference(plain, long, "mean", 64), atol=1e-5)
    asked = encoder(plain, max_tokens=7, prefix="query: ", normalise=True).embed_texts([long])[0]
    wanted = reference(plain, "query: " + long, "mean", 7)
    assert torch.allclose(asked, wanted / wanted.norm(), atol=1e-5)


def test_lower_case_and_an_older_layout(tmp_path: Path) -> None:
    """The transformer in a folder of its own, as sentence-transformers once wrote it."""
    old = tmp_path / "old"
    save_sentence_encoder(old / "0_Transformer", wordpiece())
    for name in ("modules.json", "1_Pooling"):
        (old / "0_Transformer" / name).rename(old / name)
    modules = (old / "modules.json").read_text().replace('"path": ""', '"path": "0_Transformer"')
    (old / "modules.json").write_text(modules)
    write(old / "0_Transformer" / "sentence_bert_config.json", {"max_seq_length": 9, "do_lower_case": True})
    model = encoder(old, normalise=False)
    expected = reference(old / "0_Transformer", TEXTS[2].lower(), "mean", 9)
    assert torch.allclose(model.embed_texts([TEXTS[2]])[0], expected, atol=1e-5)


def test_positions_of_a_roberta_begin_after_its_padding_id(tmp_path: Path) -> None:
    made = save_model(
        tmp_path / "r", "roberta", gpt(), AutoModel, max_position_embeddings=34, pad_token_id=1, type_vocab_size=1
    )
    assert encoder(made).embed_texts(["Heat " * 100]).isfinite().all()
    assert len(encoder(made)._encode(["Heat " * 100])[0]) == 32


def test_an_encoder_of_an_encoder_decoder(tmp_path: Path) -> None:
    made = save_model(tmp_path / "t5", "t5", gpt(), AutoModel, d_kv=8, decoder_start_token_id=0, pad_token_id=0)
    assert encoder(made).embed_texts(["Heat", "Alien " * 2000]).isfinite().all()


def test_a_causal_embedder_is_read_too(tmp_path: Path) -> None:
    made = save_model(tmp_path / "q", "qwen3", gpt(), AutoModel, num_key_value_heads=1, head_dim=8)
    found = encoder(made, pooling="last").embed_texts(TEXTS)
    assert torch.allclose(found[0], reference(made, TEXTS[0], "last"), atol=1e-5)
    assert not found[1].any(), "no token at all"


@pytest.mark.parametrize(
    ("file", "value", "text"),
    [
        ("1_Pooling/config.json", {"pooling_mode": ["mean", "max"]}, "pools by mean and max; mean, cls, lasttoken"),
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "pools by max"),
        ("modules.json", [{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}], "ends in a Dense layer"),
    ],
)
def test_what_would_give_other_vectors_is_refused(tmp_path: Path, file: str, value: Any, text: str) -> None:
    made = save_sentence_encoder(tmp_path / "m", wordpiece())
    write(made / file, value)
    with pytest.raises(ModelError, match=text):
        encoder(made)
    if "pools by" in text:
        assert encoder(made, pooling="mean").embed_texts(["x"]).isfinite().all()


def test_folders_that_are_no_encoders(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model folder"):
        encoder(tmp_path / "none")
    with pytest.raises(ModelError, match="not in the local cache and the hub cannot be reached"):
        encoder(Path("nobody/no-encoder"))
    made = save_sentence_encoder(tmp_path / "m", wordpiece())
    (made / "model.safetensors").rename(made / "pytorch_model.bin")
    with pytest.raises(ModelError, match="only safetensors are read"):
        encoder(made)


def test_weights_that_are_missing_are_an_error_and_an_unused_pooler_is_none(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    made = save_sentence_encoder(tmp_path / "m", wordpiece())
    whole = load_file(made / "model.safetensors")

    def keep(without: str) -> None:
        left = {name: weight for name, weight in whole.items() if without not in name}
        assert len(left) < len(whole)
        save_file(left, made / "model.safetensors", metadata={"format": "pt"})

    keep("pooler")
    assert encoder(made).embed_texts(["x"]).isfinite().all()
    keep("layer.1.output.dense")
    with pytest.raises(ModelError, match=r"do not fit its config.json: encoder.layer.1.output.dense"):
        encoder(made).embed_texts(["x"])


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of every batch that a model was asked to read."""
    rows: list[int] = []
    real = SentenceEncoder._states

    def count(self: SentenceEncoder, tokens: Tensor, lengths: Tensor) -> Tensor:
        rows.append(len(tokens))
        return real(self, tokens, lengths)

    monkeypatch.setattr(SentenceEncoder, "_states", count)
    return rows


def stored(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.safetensors"))


def test_a_text_is_embedded_once_and_never_again(folder: Path, tmp_path: Path, calls: list[int]) -> None:
    first = encoder(folder, tmp_path).embed_texts(TEXTS)
    assert sum(calls) == len(set(TEXTS))
    calls.clear()
    again = encoder(folder, tmp_path)
    assert torch.equal(again.embed_texts(TEXTS[::-1]), first.flip(0))
    assert calls == []
    assert "_loaded" not in vars(again), "not even its weights were read"
    assert torch.equal(again.embed_texts(["new", *TEXTS])[1:], first)
    assert calls == [1]
    assert len(stored(tmp_path)) == 2
    assert not list(tmp_path.rglob(".tmp-*"))


def test_other_settings_or_other_weights_are_another_cache(folder: Path, tmp_path: Path, calls: list[int]) -> None:
    import shutil

    encoder(folder, tmp_path).embed_texts(["a"])
    encoder(folder, tmp_path, batch_tokens=5).embed_texts(["a"])
    encoder(folder, tmp_path, pooling="mean", normalise=True, max_tokens=24).embed_texts(["a"])
    assert len(calls) == 1, "the same by another name"
    for changes in ({"pooling": "cls"}, {"normalise": False}, {"max_tokens": 5}, {"prefix": "q "}, {"dtype": "bf16"}):
        encoder(folder, tmp_path, **changes).embed_texts(["a"])
    assert len(calls) == 6
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    encoder(copy, tmp_path).embed_texts(["a"])
    assert len(calls) == 6, "the same files in another place"
    known = model_hash(copy)
    content = bytearray((copy / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "model.safetensors").write_bytes(content)
    assert model_hash(copy) != known
    encoder(copy, tmp_path).embed_texts(["a"])
    assert len(calls) == 7


@pytest.mark.parametrize("how", ["flipped", "cut", "empty"])
def test_a_damaged_file_is_noticed_and_redone(
    how: str, folder: Path, tmp_path: Path, calls: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    first = encoder(folder, tmp_path).embed_texts(["a", "b"])
    encoder(folder, tmp_path).embed_texts(["a", "b", "c"])
    calls.clear()
    (one,) = [path for path in stored(tmp_path) if len(path.read_bytes()) > min(map(size, stored(tmp_path)))]
    content = bytearray(one.read_bytes())
    content[-1] ^= 1
    one.write_bytes({"flipped": bytes(content), "cut": content[:100], "empty": b""}[how])
    with caplog.at_level(logging.WARNING):
        assert torch.equal(encoder(folder, tmp_path).embed_texts(["a", "b", "c"])[:2], first)
    assert sum(calls) == 2, "the texts of the other file are known"
    assert f"{one} is damaged: its texts are embedded again" in caplog.text
    calls.clear()
    encoder(folder, tmp_path).embed_texts(["a", "b", "c"])
    assert calls == []


def size(path: Path) -> int:
    return path.stat().st_size


def test_what_was_embedded_before_an_interruption_is_kept(
    folder: Path, tmp_path: Path, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_cache, "TEXTS_PER_FILE", 4)
    texts = [f"title {number}" for number in range(10)]
    real = SentenceEncoder._encode
    with monkeypatch.context() as patch:

        def stop(self: SentenceEncoder, given: list[str]) -> list[list[int]]:
            if "title 4" in given:
                raise KeyboardInterrupt
            return real(self, given)

        patch.setattr(SentenceEncoder, "_encode", stop)
        with pytest.raises(KeyboardInterrupt):
            encoder(folder, tmp_path).embed_texts(texts)
    calls.clear()
    encoder(folder, tmp_path).embed_texts(texts)
    assert sum(calls) == 6


def test_vectors_that_are_not_finite_are_not_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        SentenceEncoder, "_states", lambda self, tokens, lengths: torch.full((*tokens.shape, 16), torch.nan)
    )
    with pytest.raises(NonFiniteError, match="the vectors of 2 texts are not finite, such as 'a'"):
        encoder(folder, tmp_path).embed_texts(["a", "b"])
    assert stored(tmp_path) == []


CODE = """
import sys
from pathlib import Path
from sasrec_llm.backbones.sentence_encoder import load
from sasrec_llm.backbones.settings import SentenceEncoderSettings
model = load(SentenceEncoderSettings(model=sys.argv[1]), cache=Path(sys.argv[2]), device="cpu")
for start in range(0, 60, 5):
    model.embed_texts([f"title {number}" for number in range(start, start + 20)])
"""


def test_two_processes_at_once(folder: Path, tmp_path: Path, calls: list[int]) -> None:
    both = [subprocess.Popen([sys.executable, "-c", CODE, str(folder), str(tmp_path)], cwd=ROOT) for _ in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    texts = [f"title {number}" for number in range(75)]
    found = encoder(folder, tmp_path).embed_texts(texts)
    assert calls == []
    assert torch.allclose(found, encoder(folder).embed_texts(texts), atol=1e-5)


def test_a_json_that_is_none_is_damaged(tmp_path: Path) -> None:
    made = save_sentence_encoder(tmp_path / "m", wordpiece())
    (made / "modules.json").write_text("{")
    with pytest.raises(DamagedError, match="is not JSON"):
        encoder(made)


def test_a_hub_id_is_read_from_the_local_cache(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the hub keeps it: a snapshot of links to blobs, which is hashed by what they hold."""
    from huggingface_hub import constants

    kept = tmp_path / "hub" / "models--somebody--mini"
    snapshot = kept / "snapshots" / ("a" * 40)
    for path in (path for path in folder.rglob("*") if path.is_file()):
        blob = kept / "blobs" / f"{path.parent.name}-{path.name}"
        link = snapshot / path.relative_to(folder)
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(path.read_bytes())
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("a" * 40)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    expected = encoder(folder).embed_texts(["Heat"])
    for revision in (None, "main", "a" * 40):
        found = encoder(Path("somebody/mini"), revision=revision)
        assert torch.equal(found.embed_texts(["Heat"]), expected)
    assert model_hash(snapshot) == model_hash(folder)
    with pytest.raises(ModelError, match="not in the local cache and the hub cannot be reached"):
        encoder(Path("somebody/mini"), revision="b" * 40)
