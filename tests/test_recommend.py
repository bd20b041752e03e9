"""A finished run put to use: recommended from, explained, exported, opened where its data is not."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import AutoModelForCausalLM

from sasrec_llm.answering.catalogue import Catalogue
from sasrec_llm.answering.export import Exporter
from sasrec_llm.answering.loaded import LoadedRun
from sasrec_llm.answering.opening import load
from sasrec_llm.errors import DamagedError, RunError, UsageError
from sasrec_llm.experiment import run
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.runs import Workspace
from sasrec_llm.runs.lookup import find_run
from tests.conftest import ROOT

DATA = {"use": "demo", "protocol": "temporal"}
QUICK = {"epochs": 1, "epoch_steps": 4, "batch_size": 16}
SASREC = {"use": "sasrec", "width": 16, "heads": 2}
LLAMA = {"use": "tiny-llama", "width": 16, "layers": 1, "heads": 2, "vocabulary": 400, "pretrain_steps": 4}
TITLES = ["Heat (1995)", "Alien (1979)", "Aliens (1986)", "Usual Suspects, The (1995)", "Amélie (2001)", "M (1931)"]
RUNS: dict[str, dict[str, Any]] = {
    "next": {
        "data": {**DATA, "task": "next-item"},
        "encoder": SASREC,
        "strategy": {"use": "encoder-only"},
        "stages": {"encoder": {"objective": "next-item", "train": ["encoder"], **QUICK}},
    },
    "asked": {
        "data": DATA,
        "encoder": SASREC,
        "aligner": {"use": "mlp"},
        "backbone": {**LLAMA, "lora": {"r": 2}},
        "strategy": {"use": "token-mapping", "titles": 3},
        "stages": {
            "encoder": {"objective": "like", "train": ["encoder"], **QUICK},
            "align": {"objective": "hybrid", "train": ["aligner", "lora"], "valid_rows": 20, **QUICK},
        },
    },
    "mf": {
        "data": DATA,
        "encoder": {"use": "mf", "width": 4},
        "strategy": {"use": "encoder-only"},
        "stages": {"encoder": {"objective": "like", "train": ["encoder"], **QUICK}},
    },
    "fused": {
        "data": DATA,
        "strategy": {"use": "late-fusion", "runs": ["asked", "mf"]},
        "stages": {"fit": {"objective": "fit", "train": ["fusion"]}},
    },
    "shots": {"data": DATA, "backbone": LLAMA, "strategy": {"use": "text-prompt", "shots": 2, "titles": 2}},
}


@dataclass(frozen=True)
class Place:
    workspace: Workspace
    plugins: Plugins

    def load(self, name: object) -> LoadedRun:
        return load(str(name), self.workspace, self.plugins)

    def export(self, name: str, to: Path, **options: bool) -> Path:
        Exporter(self.workspace, self.plugins, **options).export(find_run(self.workspace.runs, name), to)
        return to

    def elsewhere(self, folder: Path) -> Place:
        """Where there is neither data nor a run nor anything cached."""
        return Place(Workspace(folder / "none", folder / "none", folder / "cache"), self.plugins)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory, few_folder: Path, builtins: Plugins) -> Place:
    folder = tmp_path_factory.mktemp("answering")
    shutil.copytree(few_folder, folder / "data" / "demo")
    found = Place(Workspace(folder / "data", folder / "runs", folder / "cache"), builtins)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sasrec_llm.evaluation.bootstrap.DRAWS", 20)
        patch.setattr("sasrec_llm.experiment.draw_page", lambda *_: None)
        for name, table in RUNS.items():
            evaluate = {"subsets": ["all"], "floors": []}
            run(
                check_recipe({"name": name, "evaluate": evaluate, **table}, name, builtins),
                "",
                found.workspace,
                builtins,
            )
    return found


@pytest.fixture(scope="session")
def films() -> Catalogue:
    return Catalogue(ids=list("abcdef"), titles=TITLES, likes=np.array([0, 5, 9, 7, 3, 1, 1]))


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Heat (1995)", "Heat (1995)"),
        ("alien", "Alien (1979)"),
        ("the usual suspects", "Usual Suspects, The (1995)"),
        ("suspects", "Usual Suspects, The (1995)"),
        ("amelie", "Amélie (2001)"),
        ("m", "M (1931)"),
        ("c", "Aliens (1986)"),
    ],
)
def test_an_item_is_known_by_its_title_its_words_or_its_id(films: Catalogue, text: str, title: str) -> None:
    assert films.title_of(films.match(text)) == title


def test_near_misses_are_suggested_best_first(films: Catalogue) -> None:
    with pytest.raises(UsageError, match=r"no item is called 'aliem'; did you mean: Alien \(1979\); Aliens"):
        films.match("aliem")
    assert [films.title_of(item) for item in films.search("alie", 2)] == ["Alien (1979)", "Aliens (1986)"]
    for nothing in ("", "?!", "xqzw"):
        assert films.search(nothing) == []
        with pytest.raises(UsageError) as caught:
            films.match(nothing)
        assert str(caught.value) == f"no item is called {nothing!r}"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("heat 1995", "Heat (1995)"),
        ("usualsuspects", "Usual Suspects, The (1995)"),
        ("the usual suspekts", "Usual Suspects, The (1995)"),
        ("amelei", "Amélie (2001)"),
        ("alien", "Alien (1979)"),
    ],
)
def test_words_may_be_begun_misspelled_or_written_together(films: Catalogue, text: str, first: str) -> None:
    assert films.title_of(films.search(text)[0]) == first


def test_a_large_catalogue_is_searched_by_its_words() -> None:
    """More titles than are compared letter by letter have a word of what is asked."""
    titles = [f"The Story of Part {number}" for number in range(2000)]
    many = Catalogue(ids=[str(number) for number in range(2000)], titles=titles, likes=np.arange(2001))
    assert many.title_of(many.search("story part 17", 1)[0]) == titles[17]
    assert many.search("stories", 2) == [2000, 1999], "of like ones, those that are liked more"
    assert many.search("the story", 1) == [2000]


def test_of_equal_titles_the_one_that_is_liked_more_is_meant() -> None:
    twice = Catalogue(ids=["1", "2"], titles=["Sabrina (1954)", "Sabrina (1995)"], likes=np.array([0, 3, 8]))
    assert twice.match("sabrina") == 2
    assert twice.match("Sabrina (1954)") == 1
    equal = Catalogue(ids=["1", "2", "3"], titles=["Twin"] * 3, likes=np.array([0, 1, 4, 4]))
    assert equal.match("twin") == 2


def test_what_was_had_is_never_recommended_and_scores_fall(place: Place) -> None:
    found = place.load("next")
    user = found._users[3]
    question = found.question(user, [found.catalogue.title_of(1)])
    assert question.items[-1] == 1
    other = found.question(history=[found.catalogue.id_of(2)])
    answers = found.answer([question, other], 7, explain=True)
    for asked, items in zip((question, other), answers, strict=True):
        assert len(items) == 7
        assert not {found.catalogue.match(item.title) for item in items} & asked.seen
        assert [item.score for item in items] == sorted((item.score for item in items), reverse=True)
        assert all(item.probability is None and item.reason and item.reason.near for item in items)
    alone = found.answer([question], 7)[0]
    assert [item.item for item in alone] == [item.item for item in answers[0]], "neighbours do not matter"


def test_a_user_brings_what_the_data_knows_of_them(place: Place) -> None:
    found = place.load("next")
    rows = found._data.rows
    for number in np.unique(rows.users):
        own = rows.users == number
        question = found.question(found._users[number - 1])
        assert question.items == tuple(rows.items[own & (rows.labels == 1)])
        assert question.seen == frozenset(rows.items[own])


def test_nobody_known_and_everything_seen(place: Place) -> None:
    found = place.load("next")
    assert not found.knows("nobody")
    assert len(found.recommend(user="nobody", k=5)) == 5
    everything = [found.catalogue.id_of(item) for item in range(1, len(found.catalogue) + 1)]
    assert len(found.recommend(history=everything[:-2], k=5)) == 2
    assert found.recommend(history=everything, k=5) == []
    with pytest.raises(UsageError, match="between 1 and"):
        found.recommend(user="nobody", k=0)


def test_a_language_model_says_what_it_was_asked(place: Place) -> None:
    found = place.load("asked")
    title = found.catalogue.title_of(3)
    best = found.recommend(history=[title], k=2, explain=True)[0]
    assert best.probability is not None
    assert 0 < best.probability < 1
    assert best.reason
    assert best.reason.near[0].title == title
    assert f'"{title}"' in best.reason.prompt
    assert f'titled "{best.title}" with the feature [item]?' in best.reason.prompt
    assert "encoded in the feature [user]." in best.reason.prompt


@pytest.mark.parametrize("name", ["next", "asked", "mf", "fused"])
def test_an_export_answers_like_its_run_without_data(place: Place, tmp_path: Path, name: str) -> None:
    folder = place.export(name, tmp_path / "out")
    mine, theirs = place.load(name), place.elsewhere(tmp_path).load(folder)
    history = [mine.catalogue.title_of(item) for item in (4, 2)]
    expected, found = mine.recommend(history=history, k=6), theirs.recommend(history=history, k=6)
    assert [item.item for item in found] == [item.item for item in expected]
    assert [item.score for item in found] == pytest.approx([item.score for item in expected], abs=1e-5)
    assert not (folder / "rows.parquet").exists()
    assert not theirs.has_histories
    user = mine._users[0]
    assert theirs.knows(user)
    card = (folder / "README.md").read_text()
    assert "licence: Apache-2.0, generated here" in card
    assert f"| {name} |" in card


def test_lora_can_be_merged_into_a_plain_model(place: Place, tmp_path: Path) -> None:
    folder = place.export("asked", tmp_path / "merged", merge=True)
    assert not (folder / "parts" / "lora").exists()
    AutoModelForCausalLM.from_pretrained(str(folder / "backbone"))
    history = [place.load("asked").catalogue.title_of(1)]
    expected = place.load("asked").recommend(history=history, k=5)
    found = place.elsewhere(tmp_path).load(folder).recommend(history=history, k=5)
    assert [item.score for item in found] == pytest.approx([item.score for item in expected], abs=1e-4)
    with pytest.raises(RunError, match="has no LoRA that could be merged"):
        place.export("mf", tmp_path / "none", merge=True)


def test_rows_go_along_only_where_they_are_asked_for(place: Place, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="looks at the rows that it learned from") as caught:
        place.export("shots", tmp_path / "shots")
    assert "--with-rows" in caught.value.hint
    assert not (tmp_path / "shots").exists(), "what does not answer is not left"
    folder = place.export("shots", tmp_path / "shots", with_rows=True)
    mine, theirs = place.load("shots"), place.elsewhere(tmp_path).load(folder)
    user = mine._users[2]
    assert theirs.has_histories
    assert theirs.question(user) == mine.question(user)
    assert theirs.recommend(user=user, k=4) == mine.recommend(user=user, k=4)


def test_an_export_with_an_index_says_how_near_it_comes(place: Place, tmp_path: Path) -> None:
    folder = place.export("next", tmp_path / "out", index=True)
    exact, indexed = place.load("next"), place.elsewhere(tmp_path).load(folder)
    assert exact.index is None
    assert indexed.index is not None
    assert "**index**: approximate: 1 of 1 cells are looked through" in (folder / "README.md").read_text()
    history = [exact.catalogue.title_of(item) for item in (4, 2)]
    expected, found = exact.recommend(history=history, k=6), indexed.recommend(history=history, k=6)
    assert [item.item for item in found] == [item.item for item in expected], "of one cell all is looked through"
    assert [item.score for item in found] == pytest.approx([item.score for item in expected], abs=1e-5)


def test_scores_that_are_no_products_have_no_index(place: Place, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="needs scores that are products of two"):
        place.export("asked", tmp_path / "out", index=True)
    assert not (tmp_path / "out").exists()


def test_an_export_is_checked_and_never_written_over(place: Place, tmp_path: Path) -> None:
    folder = place.export("mf", tmp_path / "out")
    with pytest.raises(UsageError, match="exists already"):
        place.export("mf", folder)
    weights = folder / "parts" / "encoder" / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    with pytest.raises(DamagedError, match=r"model\.safetensors is damaged"):
        place.load(folder)
    about = json.loads((folder / "export.json").read_text())
    assert about["version"] == 1


def test_files_of_a_recipe_go_along(place: Place, tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text("They liked {history}.[[ As a vector: {user}]] Would they like {target}[[, {item}]]? Say\n")
    table = {"name": "worded", "evaluate": {"subsets": ["all"], "floors": []}, **RUNS["asked"]}
    table["strategy"] = {**table["strategy"], "template": str(own)}
    run(check_recipe(table, "worded", place.plugins), "", place.workspace, place.plugins)
    folder = place.export("worded", tmp_path / "out")
    own.unlink()
    best = place.elsewhere(tmp_path).load(folder).recommend(user="nobody", k=1, explain=True)[0]
    assert best.reason
    assert best.reason.prompt.startswith("<s>They liked")


def test_the_example_of_the_docs_runs(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace / "recipes").mkdir()
    shutil.copy(ROOT / "recipes" / "sasrec.toml", workspace / "recipes")
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "using.md").read_text(), flags=re.DOTALL)
    exec(compile(block, "using.md", "exec"), {})
    first, *lists = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\d+ \S+-sasrec-\w{6} 0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]", first), first
    assert len(lists) == 2


@pytest.fixture
def at(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The commands find the runs."""
    monkeypatch.setenv("SRL_DATA", str(place.workspace.data))
    monkeypatch.setenv("SRL_RUNS", str(place.workspace.runs))
    monkeypatch.setenv("SRL_CACHE", str(place.workspace.cache))
    return place


def test_recommend_says_whom_it_takes_for_whom(srl: Any, at: Place) -> None:
    title = at.load("asked").catalogue.title_of(5)
    words = title.casefold().rsplit(" (", 1)[0]
    done = srl("recommend", "asked", "--user", "nobody", "--history", words, "-k", "3", "--explain")
    assert done.code == 0, done.err
    assert "nobody is not in the data: answered as for somebody new" in done.err
    assert f"{words} → {title}" in done.err
    first, *_ = lines = done.out.splitlines()
    assert re.match(r"1 .* yes \d\.\d\d +near ", first)
    assert lines[3:5] == ["", "What the language model was asked about the first:"]
    done = srl("recommend", "next", "--history", title, "-k", "2", "--json")
    assert [set(item) for item in json.loads(done.out)["items"]] == [
        {"item", "title", "score", "probability", "reason"}
    ] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["next"], "for whom?"),
        (["next", "--history", "zzzz"], "no item is called 'zzzz'\n"),
        (["nonesuch", "--user", "1"], "no finished run matches 'nonesuch'"),
        (["next", "--user", "1", "-k", "5000"], "between 1 and 1,000 items"),
    ],
)
def test_a_mistake_in_asking_is_one_message(srl: Any, at: Place, arguments: list[str], message: str) -> None:
    done = srl("recommend", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_export_then_recommend_from_the_folder(srl: Any, at: Place, tmp_path: Path) -> None:
    done = srl("export", "mf", "--to", "out", "--json")
    assert done.code == 0, done.err
    assert "parts/encoder/model.safetensors" in json.loads(done.out)["files"]
    done = srl("recommend", "out", "--user", at.load("mf")._users[0], "-k", "2")
    assert done.code == 0, done.err
    assert "an export without rows does not know what" in done.err
    assert len(done.out.splitlines()) == 2
    assert "exists already" in srl("export", "mf", "--to", "out").err


def test_an_index_is_one_option_away(srl: Any, at: Place) -> None:
    done = srl("export", "next", "--to", "out", "--index", "--json")
    assert done.code == 0, done.err
    assert "index.safetensors" in json.loads(done.out)["files"]
    assert "answered by an index, approximately" in srl("recommend", "out", "--user", "nobody").err
