"""Runs asked about a dataset they never saw: who can and with what, who cannot and why."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from sasrec_llm.across import evaluate_across, home
from sasrec_llm.cli import app as cli
from sasrec_llm.data.interactions import load_interactions
from sasrec_llm.data.own import OwnData, own_source
from sasrec_llm.data.prepare import prepare
from sasrec_llm.durable import sha256
from sasrec_llm.errors import DataError, RunError
from sasrec_llm.experiment import evaluate, run
from sasrec_llm.plugins import Plugins, plugins
from sasrec_llm.recipe import Recipe
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.runs import Run, Workspace, find_place, write_recipe
from sasrec_llm.runs.lookup import find_run
from sasrec_llm.systems import build
from tests.tiny_models import gpt, save_model

KNOWN = Plugins()
KNOWN.load()
TINY = {"use": "tiny-llama", "width": 16, "layers": 1, "heads": 2, "vocabulary": 400, "pretrain_steps": 2}
LLAMA = {**TINY, "lora": {"r": 2, "targets": ["q_proj", "v_proj"]}}
SASREC = {"use": "sasrec", "width": 16, "heads": 2, "blocks": 1, "max_length": 10}
ALONE = {"use": "encoder-only"}
LIKE = {"use": "films", "protocol": "temporal"}
LOO = {"use": "films", "protocol": "leave-one-out"}


def stage(objective: str, *train: str) -> dict[str, Any]:
    few = {"epochs": 1, "epoch_steps": 3, "batch_size": 16, "valid_rows": 10, "lr": 1e-2}
    return {"objective": objective, "train": list(train), **few}


FIT = {"fit": stage("fit", "encoder")}
ABLE: dict[str, dict[str, Any]] = {
    "words": {
        "data": LIKE,
        "backbone": LLAMA,
        "strategy": {"use": "text-prompt", "titles": 2, "shots": 2},
        "stages": {"tune": stage("text", "lora")},
    },
    "slots": {
        "data": LIKE,
        "encoder": SASREC,
        "aligner": {"use": "mlp"},
        "backbone": LLAMA,
        "strategy": {"use": "token-mapping", "titles": 2},
        "stages": {"encoder": stage("like", "encoder"), "joint": stage("hybrid", "encoder", "aligner", "lora")},
        "evaluate": {"ablations": ["zero-slots"], "floors": ["item-mean"]},
    },
    "similar": {"data": LOO, "backbone": TINY, "strategy": {"use": "llm-seq-sim", "pca": 8}},
    "titles": {
        "data": LOO,
        "backbone": LLAMA,
        "strategy": {"use": "llm-seq-prompt", "titles": 2, "beams": 2, "title_tokens": 8},
        "stages": {"write": stage("title", "lora")},
    },
}
UNABLE: dict[str, tuple[dict[str, Any], str]] = {
    "encoder": ({"data": LIKE, "encoder": {"use": "item-mean"}, "strategy": ALONE, "stages": FIT}, "only those it was"),
    "started": (
        {
            "data": LOO,
            "encoder": SASREC,
            "backbone": TINY,
            "strategy": {"use": "llm2sequential"},
            "stages": {"encoder": stage("next-item", "encoder")},
        },
        "each row of it was trained for one item",
    ),
    "mean": (
        {"data": LIKE, "strategy": {"use": "ensemble", "runs": ["encoder", "words"]}},
        "its members are runs on the data",
    ),
    "fused": (
        {
            "data": LIKE,
            "strategy": {"use": "late-fusion", "runs": ["encoder"]},
            "stages": {"fit": stage("fit", "fusion")},
        },
        "its members are runs on the data",
    ),
    "reranked": (
        {
            "data": LOO,
            "encoder": {"use": "popularity"},
            "backbone": TINY,
            "strategy": {"use": "text-prompt", "titles": 2, "candidates": 2},
        },
        "names the items to rank",
    ),
}


@pytest.fixture(scope="module")
def place(few_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """All the runs, on few of the demo's films; these again under another name; and a shop: 23 kettles, 30 users."""
    folder = tmp_path_factory.mktemp("across")
    shutil.copytree(few_folder, folder / "data" / "films")
    shutil.copytree(few_folder, folder / "data" / "twin")
    lines = [
        f"u{user},i{(user * 7 + step * step) % 23},{1 + (user + step * 3) % 5},{1000 + step * 50 + user}\n"
        for user in range(30)
        for step in range(20)
    ]
    (folder / "shop.csv").write_text("user,item,rating,timestamp\n" + "".join(lines))
    (folder / "items.csv").write_text("item,title\n" + "".join(f"i{n},Copper kettle {n}\n" for n in range(23)))
    own = OwnData(items=str(folder / "items.csv"))
    prepare(own_source("shop"), given=folder / "shop.csv", folder=folder / "data" / "shop", cache=folder, own=own)
    found = Workspace(folder / "data", folder / "runs", tmp_path_factory.getbasetemp() / "cache")
    for name, recipe in ABLE.items():
        run(checked(name, recipe), "# test", found, KNOWN)
    for name, (recipe, _) in UNABLE.items():  # refused before anything of them is looked at
        refused = find_place(found.runs, checked(name, recipe), "")
        write_recipe(refused, checked(name, recipe), "# test")
        (refused.folder / "metrics.json").write_text("{}")
    return found


def checked(name: str, recipe: dict[str, Any]) -> Recipe:
    return check_recipe({"name": name, "seed": 7, "evaluate": {"floors": []}, **recipe}, "test", KNOWN)


def files(run: Run) -> dict[str, str]:
    return {str(path): sha256(path) for path in sorted(run.folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", ABLE)
def test_rows_it_never_saw_are_answered_as_those_it_knows(name: str, place: Workspace) -> None:
    """The same films under another name, so that nothing but the way they are reached is different."""
    found = find_run(place.runs, name)
    before, models = files(found), sorted(place.cache.glob("tiny-llama-*"))
    there = evaluate_across(found, "twin", None, ["all"], place, KNOWN).outcome
    assert there.system == ("slots with zero-slots" if name == "slots" else name)
    here = json.loads((found.folder / "metrics.json").read_text())["test"][0]["systems"][there.system]
    assert there.tables["test"][0].values(there.system) == {
        metric: figure["value"] for metric, figure in here.items() if "platt" not in metric
    }
    assert files(found) == before
    assert sorted(place.cache.glob("tiny-llama-*")) == models


@pytest.mark.parametrize("name", ABLE)
def test_another_catalogue_is_scored_beside_floors_that_saw_it(name: str, place: Workspace) -> None:
    found = find_run(place.runs, name)
    models = sorted(place.cache.glob("tiny-llama-*"))
    there = evaluate_across(found, "shop", None, ["all", "warm"], place, KNOWN)
    assert [table.subset for table in there.outcome.tables["test"]] == ["all", "warm"]
    table = there.outcome.tables["test"][0]
    shop = load_interactions(place.data / "shop", str(there.data["protocol"]))
    assert table.rows == len(shop.of("test"))
    assert list(table.systems) == [there.outcome.system, *there.floors]
    assert there.floors == (["item-mean"] if name == "slots" else [])
    assert table.values(there.outcome.system)["auc" if shop.task == "like" else "hr@10"] is not None
    assert there.note.startswith(f"{there.outcome.system} comes from films and never saw shop (")
    assert sorted(place.cache.glob("tiny-llama-*")) == models, "its own language model, not one made of kettles"


def test_solved_examples_stay_those_of_its_own_data(place: Workspace) -> None:
    found = find_run(place.runs, "words")
    recipe = check_recipe(found.resolved(), "test", KNOWN)
    shop = load_interactions(place.data / "shop", "temporal")
    system = build(recipe, shop, place, KNOWN, home=lambda: home(found, recipe, place, KNOWN))
    ask: Any = system.strategy.recommender("text")
    one = shop.examples(shop.of("test")[:1], 2)
    batch = ask.prompts.render(one.histories.items, one.targets[:, 0])
    text = ask.backbone.tokenizer._tokenizer.decode(batch.tokens[0].tolist())
    *solved, asked = text.split("#Question")[1:]
    assert len(solved) == 2
    assert "Copper kettle" in asked
    assert not any("Copper kettle" in example for example in solved)


def test_its_own_dataset_is_a_plain_evaluation(place: Workspace) -> None:
    found = find_run(place.runs, "slots")
    there = evaluate_across(found, "films", None, ["all"], place, KNOWN)
    assert there.outcome.tables["test"][0].systems == evaluate(found, ["all"], place, KNOWN).tables["test"][0].systems
    assert there.note == ""
    with pytest.raises(RunError, match="its test rows would be among those it has seen"):
        evaluate_across(found, "films", "leave-one-out", ["all"], place, KNOWN)


@pytest.mark.parametrize("name", UNABLE)
def test_who_cannot_says_why(
    name: str, place: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRL_DATA", str(place.data))
    monkeypatch.setenv("SRL_RUNS", str(place.runs))
    monkeypatch.setattr(sys, "argv", ["srl", "eval", name, "--data", "shop"])
    plugins.cache_clear()
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    done = capsys.readouterr()
    assert exit_.value.code == 2
    assert done.out == ""
    said = " ".join(done.err.split())
    assert f"-{name}-" in said
    assert f"strategy {UNABLE[name][0]['strategy']['use']!r}" in said
    assert UNABLE[name][1] in said
    assert "can: llm-seq-prompt, llm-seq-sim, text-prompt, token-mapping" in said


def test_the_command_names_who_saw_what(
    place: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRL_DATA", str(place.data))
    monkeypatch.setenv("SRL_RUNS", str(place.runs))
    monkeypatch.setenv("SRL_CACHE", str(place.cache))
    monkeypatch.setattr(sys, "argv", ["srl", "eval", "slots", "--data", "shop"])
    plugins.cache_clear()
    with pytest.raises(SystemExit):
        cli.main()
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.endswith("never saw shop (temporal); item-mean: fitted on its train rows")
    assert second.startswith("test, all: ")


@pytest.mark.parametrize(
    ("name", "other", "protocol", "error", "text"),
    [
        ("words", "shop", "collm", DataError, "leaves no train rows in shop"),
        ("words", "shop", "leave-one-out", RunError, "answers the task 'like', which these protocols ask: collm, temp"),
        ("words", "shop", "temporl", RunError, "unknown protocol 'temporl' (did you mean 'temporal'?)"),
        ("words", "shoop", None, DataError, "unknown dataset 'shoop' (did you mean 'shop'?)"),
    ],
)
def test_data_that_cannot_be_asked_about(
    name: str, other: str, protocol: str | None, error: type[Exception], text: str, place: Workspace
) -> None:
    with pytest.raises(error) as caught:
        evaluate_across(find_run(place.runs, name), other, protocol, ["all"], place, KNOWN)
    assert text in str(caught.value)
    if protocol == "collm":
        assert "another way: --protocol temporal" in caught.value.hint  # type: ignore[attr-defined]


def test_a_language_model_made_of_its_own_titles_needs_them(place: Workspace, tmp_path: Path) -> None:
    """One from a folder does not."""
    data = tmp_path / "data"
    shutil.copytree(place.data / "shop", data / "shop")
    gone = Workspace(data, place.runs, place.cache)
    (data / "ml-1m").mkdir()
    found = find_run(place.runs, "words")
    moved = Run(tmp_path / "runs" / found.name)
    shutil.copytree(found.folder, moved.folder)
    resolved = moved.resolved()
    resolved["data"]["use"] = "ml-1m"
    (moved.folder / "resolved.json").write_text(json.dumps(resolved))
    with pytest.raises(RunError, match="made from the texts or rows of ml-1m, which cannot be opened"):
        evaluate_across(moved, "shop", None, ["all"], gone, KNOWN)
    resolved["data"]["use"] = "shop-before"
    shutil.copytree(place.data / "shop", data / "shop-before")
    (moved.folder / "resolved.json").write_text(json.dumps(resolved))
    with pytest.raises(RunError, match="those here are not the same"):
        evaluate_across(moved, "shop", None, ["all"], gone, KNOWN)
    resolved["backbone"] = {"use": "llama", "model": str(save_model(tmp_path / "model", "llama", gpt())), "lora": None}
    resolved["strategy"]["shots"] = 0
    resolved["stages"] = {}
    (moved.folder / "resolved.json").write_text(json.dumps(resolved))
    assert evaluate_across(moved, "shop", None, ["all"], gone, KNOWN).outcome.tables["test"][0].rows > 10
