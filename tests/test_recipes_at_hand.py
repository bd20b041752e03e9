"""Recipes by name, who said each value, copies that still resolve, what differs."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from sasrec_llm.errors import RecipeError, UsageError
from sasrec_llm.hookspecs import hookimpl
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.recipe.copying import copy_recipe
from sasrec_llm.recipe.difference import differences
from sasrec_llm.recipe.file import load_recipe
from sasrec_llm.recipe.installed import find_recipe
from sasrec_llm.recipe.origins import trace
from sasrec_llm.recipe.suite import load_suite, trace_suite
from sasrec_llm.recipe.toml import toml
from sasrec_llm.recipe.written import write
from tests.conftest import ROOT

RECIPES = ROOT / "recipes"
FILES = sorted(path for path in RECIPES.glob("**/*.toml") if path.parent.name not in ("data", "suites"))


class Lab:
    """A plugin with recipes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @hookimpl
    def srl_recipes(self) -> Iterable[Path]:
        return [self.folder]


@pytest.fixture
def lab(tmp_path: Path) -> Plugins:
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "ours.toml").write_text('# Ours.\n\nextends = "next_item/sasrec"\nname = "ours"\n')
    (folder / "sasrec.toml").write_text('extends = "ours.toml"\n')
    found = Plugins()
    found.load()
    found.add(Lab(folder), "lab")
    return found


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("quickstart", "quickstart.toml"),
        ("sasrec", "sasrec.toml"),
        ("next_item/sasrec", "next_item/sasrec.toml"),
        ("recipes/sasrec.toml", "sasrec.toml"),
        ("recipes/next_item/sasrec.toml", "next_item/sasrec.toml"),
        ("v_sknn", "next_item/v_sknn.toml"),
        ("suites/ml1m", "suites/ml1m.toml"),
    ],
)
def test_installed_recipes_are_found_by_name(given: str, found: str, builtins: Plugins) -> None:
    assert find_recipe(Path(given), builtins) == RECIPES / found


def test_a_file_that_is_there_comes_first(builtins: Plugins, workspace: Path) -> None:
    Path("recipes").mkdir()
    Path("recipes/sasrec.toml").write_text('name = "mine"')
    Path("sasrec").mkdir()
    assert find_recipe(Path("recipes/sasrec.toml"), builtins) == Path("recipes/sasrec.toml")
    assert find_recipe(Path("sasrec"), builtins) == RECIPES / "sasrec.toml", "a folder is no recipe"


def test_recipes_of_plugins_are_found_and_names_that_two_have_are_refused(lab: Plugins) -> None:
    assert load_recipe(Path("ours"), [], lab).head.name == "ours"
    with pytest.raises(UsageError, match="more than one recipe is called 'sasrec'") as caught:
        find_recipe(Path("sasrec"), lab)
    assert str(RECIPES / "sasrec.toml") in caught.value.hint
    assert "lab/sasrec.toml" in caught.value.hint


@pytest.mark.parametrize(
    ("given", "close"),
    [
        ("quikstart", "quickstart"),
        ("next_item/sasrek", "next_item/sasrec"),
        ("recipes/dual_stag.toml", "dual_stage"),
        ("beauty", ""),  # describes data
        ("sasrec.toml", "sasrec"),  # a file that is not there is not another
    ],
)
def test_unknown_names_suggest(given: str, close: str, builtins: Plugins) -> None:
    with pytest.raises(UsageError) as caught:
        find_recipe(Path(given), builtins)
    assert str(caught.value).startswith(f"there is no recipe {given}")
    assert ("did you mean" in str(caught.value)) == bool(close)
    assert close in str(caught.value)
    assert caught.value.hint.endswith("srl recipes ls")


def test_a_recipe_may_extend_an_installed_one_by_name(tmp_path: Path, builtins: Plugins) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('extends = "dual_stage_cpu"\nname = "mine"\n')
    assert load_recipe(mine, [], builtins).stages == load_recipe(Path("dual_stage_cpu"), [], builtins).stages
    mine.write_text('extends = "dual_stag"\n')
    with pytest.raises(RecipeError, match=r"extends +there is no recipe dual_stag \(did you mean 'dual_stage'\?\)"):
        load_recipe(mine, [], builtins)


def test_listing_groups_by_folder_and_says_what_data_is_needed(srl: Any) -> None:
    rows = {row["name"]: row for row in json.loads(srl("recipes", "ls", "--json").out)}
    assert rows["dual_stage_cpu"]["data"] == "collm-ml-1m"
    assert rows["next_item/sasrec"]["path"] == str(RECIPES / "next_item" / "sasrec.toml")
    assert rows["suites/ml1m"]["data"] == "collm-ml-1m"
    assert rows["quickstart"]["summary"].startswith("The stages of SASRecLLM on made-up data")
    lines = srl("recipes", "ls").out.splitlines()
    headings = [line.strip() for line in lines if line.startswith(str(RECIPES))]
    assert headings == [str(RECIPES), str(RECIPES / "next_item"), str(RECIPES / "suites")]


def test_a_recipe_that_cannot_be_read_is_listed_with_the_reason(
    lab: Plugins, tmp_path: Path, srl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lab" / "broken.toml").write_text("name = ")
    monkeypatch.setattr("sasrec_llm.cli.recipes.plugins", lambda: lab)
    rows = {row["path"]: row for row in json.loads(srl("recipes", "ls", "--json").out)}
    assert "is not TOML" in rows[str(tmp_path / "lab" / "broken.toml")]["summary"]
    assert rows[str(tmp_path / "lab" / "ours.toml")]["summary"] == "Ours."


def test_every_value_knows_who_said_it(builtins: Plugins) -> None:
    found = trace(Path("dual_stage_cpu"), ["seed=1", "backbone.lora.r=4", "encoder.use=gru4rec"], builtins)
    origins = {
        "name": "dual_stage_cpu.toml",
        "seed": "--set",
        "device": "default",
        "data.use": "dual_stage_cpu.toml",
        "data.protocol": "dual_stage.toml",
        "encoder.use": "--set",
        "encoder.width": "default of gru4rec",  # what SASRec was given went with it
        "backbone.lora.r": "--set",
        "backbone.lora.alpha": "dual_stage_cpu.toml",
        "backbone.heads": "default of tiny-llama",
        "stages.align.weight_decay": "dual_stage_cpu.toml",
        "stages.align.min_lr": "dual_stage.toml",
        "stages.align.clip": "default",
        "evaluate.subsets": "dual_stage.toml",
    }
    told = found.dump()["origins"]
    assert {key: told[key] for key in origins} == origins


def test_files_of_one_name_are_told_apart(tmp_path: Path, builtins: Plugins) -> None:
    mine = tmp_path / "sasrec.toml"
    mine.write_text('extends = "sasrec"\nname = "mine"\n')
    found = trace(mine, [], builtins)
    assert found.origin(("name",)) == str(mine)
    assert found.origin(("seed",)) == str(RECIPES / "sasrec.toml")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_printed_is_the_same_recipe_again(path: Path, builtins: Plugins) -> None:
    found, overrides = trace(path, ["seed=3"], builtins), ["seed=3"]
    assert found.recipe == load_recipe(path, overrides, builtins)
    again = tomllib.loads(write(found))
    again.pop("search", None)
    assert check_recipe(again, "printed", builtins) == found.recipe


def test_the_search_is_printed_too(builtins: Plugins, tmp_path: Path) -> None:
    found = trace(Path("sasrec_search"), [], builtins)
    printed = tmp_path / "printed.toml"
    printed.write_text(write(found))
    assert load_recipe(printed, [], builtins).search == found.recipe.search


def test_printed_recipes_are_aligned_and_say_what_follows_from_the_task(srl: Any) -> None:
    done = srl("recipes", "show", "sasrec", "--set", "stages.encoder.epochs=3")
    assert done.code == 0, done.err
    lines = [line for line in done.out.splitlines() if "=" in line and len(line.partition("  # ")[0]) <= 48]
    assert len({line.rindex("  # ") for line in lines if not line.startswith("#")}) == 1
    assert re.search(r"^epochs = 3 +# --set$", done.out, re.MULTILINE)
    assert re.search(r'^# task = "like" +# of the protocol collm$', done.out, re.MULTILINE)
    assert re.search(r'^# metric = "auc" +# of the task like$', done.out, re.MULTILINE)
    assert re.search(r"^# patience|^patience = 4", done.out, re.MULTILINE)
    told = json.loads(srl("recipes", "show", "sasrec", "--json").out)
    assert told["recipe"]["name"] == "sasrec"
    assert told["origins"]["stages.encoder.epochs"] == "sasrec.toml"


def test_recipes_of_a_suite_say_what_the_suite_says(tmp_path: Path, builtins: Plugins, srl: Any) -> None:
    suite = tmp_path / "both.toml"
    suite.write_text('name = "both"\nrecipes = ["sasrec", "mf"]\nseeds = [1, 2]\n[common.data]\nuse = "ml-1m"\n')
    sasrec, mf = trace_suite(suite, ["seed=5"], builtins)
    assert (sasrec.origin(("data", "use")), sasrec.origin(("data", "protocol"))) == ("both.toml", "sasrec.toml")
    assert mf.origin(("seeds",)) == "both.toml"
    assert mf.recipe.head.seeds == [1, 2]
    assert [one["recipe"]["name"] for one in json.loads(srl("recipes", "show", suite, "--json").out)] == [
        "sasrec",
        "mf",
    ]
    assert srl("recipes", "validate", suite, "quickstart").err == f"{suite} is fine: 4 runs\nquickstart is fine\n"


@pytest.mark.parametrize(
    "value", ["plain", 'a "quote" \\ and \n', "\x7f", True, 3, 1e-05, 1e16, [1, [2.5]], [{"a b": "x", "c": []}], {}]
)
def test_values_are_written_as_toml_reads_them(value: Any) -> None:
    assert tomllib.loads(f"value = {toml(value)}")["value"] == value


@pytest.mark.parametrize("name", ["dual_stage_cpu", "next_item/sasrec", "suites/ml1m", "recipes/sasrec_search.toml"])
def test_a_copy_resolves_to_the_same(name: str, builtins: Plugins, workspace: Path) -> None:
    source, copy = copy_recipe(Path(name), None, builtins)
    assert copy == Path(source.name)
    if "suites" in name:
        assert load_suite(copy, [], builtins).recipes == load_suite(source, [], builtins).recipes
    else:
        assert load_recipe(copy, [], builtins) == load_recipe(source, [], builtins)
    assert "../" not in copy.read_text(), "and does so on another machine"
    with pytest.raises(UsageError, match=f"there is a {copy} already"):
        copy_recipe(Path(name), None, builtins)
    copy_recipe(Path(name), None, builtins, force=True)


def test_a_copy_of_an_own_recipe_finds_what_it_extends(builtins: Plugins, workspace: Path) -> None:
    Path("base.toml").write_text('extends = "sasrec"\nseed = 7\n')
    Path("mine.toml").write_text("# Keeps its comments.\nextends = 'base.toml'  # from there\nname = \"mine\"\n")
    _, copy = copy_recipe(Path("mine.toml"), Path("far/away"), builtins)
    assert copy == Path("far/away/mine.toml")
    assert copy.read_text() == "# Keeps its comments.\nextends = '../../base.toml'  # from there\nname = \"mine\"\n"
    assert load_recipe(copy, [], builtins).head.seed == 7


def test_cp_says_what_to_do_next(srl: Any, workspace: Path) -> None:
    done = srl("recipes", "cp", "dual_stage_cpu", "mine.toml")
    assert (done.code, done.out) == (0, "mine.toml\n")
    assert "srl run mine.toml" in done.err
    assert srl("recipes", "validate", "mine.toml").code == 0
    done = srl("recipes", "cp", "beauty")
    assert "srl data prepare beauty.toml --from FOLDER" in done.err
    assert Path("beauty.toml").read_text() == (RECIPES / "data" / "beauty.toml").read_text()
    done = srl("recipes", "cp", "sasrec", "mine.toml")
    assert done.code == 2
    assert "--force" in done.err
    assert 'name = "dual-stage-cpu"' in Path("mine.toml").read_text()
    assert srl("recipes", "cp", "nothing").code == 2


def test_diff_of_recipes_and_runs(srl: Any, reported: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    told = json.loads(srl("recipes", "diff", "sasrec", "mf", "--json").out)
    assert told["differ"]["name"] == {"a": "sasrec", "b": "mf"}
    assert told["differ"]["encoder.blocks"] == {"a": 2}, "a setting that only one has"
    assert "data.use" not in told["differ"]
    done = srl("recipes", "diff", "quickstart", "recipes/quickstart.toml")
    assert (done.code, done.out) == (0, "")
    assert "say the same" in done.err
    monkeypatch.setenv("SRL_RUNS", str(reported["likes"].parent))
    done = srl("recipes", "diff", reported["likes"], "000007")
    assert done.code == 0
    assert re.search(r"^seed +42 +7 *$", done.out, re.MULTILINE)
    for other in ("nowhere", "suites/ml1m"):
        done = srl("recipes", "diff", "sasrec", other)
        assert done.code == 2
        assert "Traceback" not in done.err


def test_differences_are_by_key_path() -> None:
    found = differences({"a": {"b": 1, "c": None}, "x.y": [1]}, {"a": {"b": 1.0, "d": None}, "x.y": [2]})
    assert found == {"a.c": {"a": None}, '"x.y"': {"a": [1], "b": [2]}, "a.d": {"b": None}}


@pytest.mark.parametrize("command", ["run", "tune", "bench"])
def test_names_are_taken_where_files_are(command: str, srl: Any) -> None:
    done = srl(command, "sasrek")
    assert done.code == 2
    assert "there is no recipe sasrek (did you mean 'sasrec'?)" in done.err
    done = srl(command, "recipes/sasrec_search.toml", "--set", "data.use=nothing")
    assert "unknown dataset 'nothing'" in done.err
