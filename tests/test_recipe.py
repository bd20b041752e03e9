from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sasrec_llm.errors import RecipeError, UsageError
from sasrec_llm.plugins import Plugins
from sasrec_llm.recipe import Recipe
from sasrec_llm.recipe.check import check_recipe
from sasrec_llm.recipe.file import apply, load_recipe
from sasrec_llm.recipe.merge import merge
from sasrec_llm.recipe.schema import schema
from tests.conftest import ROOT

RECIPES = sorted(path for path in (ROOT / "recipes").glob("**/*.toml") if path.parent.name not in ("data", "suites"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_are_fine_and_explained(path: Path, builtins: Plugins) -> None:
    recipe = load_recipe(path, [], builtins)
    assert recipe.head.name
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert f"srl run recipes/{path.relative_to(ROOT / 'recipes')}" in text


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_what_a_run_keeps_is_a_recipe_again(path: Path, builtins: Plugins) -> None:
    recipe = load_recipe(path, [], builtins)
    assert check_recipe(recipe.dump(), "resolved", builtins) == recipe


def problems(table: dict[str, Any], builtins: Plugins) -> dict[str, str]:
    with pytest.raises(RecipeError) as caught:
        check_recipe(table, "typo.toml", builtins)
    assert caught.value.exit_code == 2
    return dict(caught.value.problems)


def test_every_problem_is_reported_at_once(builtins: Plugins) -> None:
    found = problems(
        {
            "name": "typo",
            "sede": 1,
            "data": {"use": "demo", "protocol": "colm"},
            "encoder": {"use": "sasrek"},
            "aligner": {"use": "mlp", "tokens": 0},
            "backbone": {"use": "tiny-llama", "lora": {"rr": 8}},
            "strategy": {"use": "token-mapping"},
            "stages": {"align": {"objective": "hybrid", "trian": ["encoder"], "train": ["aligner"], "epochs": 0}},
            "evaluate": {"metrics": ["acu"], "floors": ["sasrec"]},
        },
        builtins,
    )
    assert found["sede"] == "unknown key (did you mean 'seed'?)"
    assert found["data.protocol"].startswith("must be 'collm', 'temporal', 'leave-one-out', 'session' or 'k-fold'")
    assert found["encoder.use"].startswith("unknown encoder 'sasrek' (did you mean 'sasrec'?)")
    assert found["aligner.tokens"] == "must be at least 1 (got 0)"
    assert found["backbone.lora.rr"] == "unknown key (did you mean 'r'?)"
    assert found["stages.align.trian"] == "unknown key (did you mean 'train'?)"
    assert found["stages.align.epochs"] == "must be at least 1 (got 0)"
    assert found["evaluate.metrics"].startswith("unknown metric 'acu' (did you mean 'auc'?)")
    assert "no closed form" in found["evaluate.floors"]


BASE: dict[str, Any] = {"name": "x", "data": {"use": "demo"}}
SASREC = {"encoder": {"use": "sasrec"}}
LLAMA = {"backbone": {"use": "tiny-llama"}}


@pytest.mark.parametrize(
    ("table", "path", "text"),
    [
        (BASE, "strategy", "is required"),
        (BASE | {"strategy": {"use": "encoder-only"}}, "encoder", "is required by strategy 'encoder-only'"),
        (BASE | SASREC | LLAMA | {"strategy": {"use": "encoder-only"}}, "backbone", "has no backbone: remove"),
        (
            BASE | LLAMA | {"encoder": {"use": "item-mean"}, "strategy": {"use": "token-mapping"}},
            "encoder.use",
            "encoder 'item-mean' has no vectors, which strategy 'token-mapping' needs; these can: ",
        ),
        (
            BASE
            | SASREC
            | {"strategy": {"use": "encoder-only"}, "stages": {"a": {"objective": "fit", "train": ["encoder"]}}},
            "stages.a.objective",
            "encoder 'sasrec' has no fit",
        ),
        (
            BASE
            | SASREC
            | {"strategy": {"use": "encoder-only"}, "stages": {"a": {"objective": "like", "train": ["lora"]}}},
            "stages.a.train",
            "trains no 'lora'",
        ),
        (
            BASE
            | LLAMA
            | {"strategy": {"use": "text-prompt"}, "stages": {"a": {"objective": "txt", "train": ["lora"]}}},
            "stages.a.objective",
            "no objective 'txt' (did you mean 'text'?)",
        ),
        (BASE | SASREC | {"strategy": {"use": "encoder-only"}, "stages": []}, "stages", "must be a table"),
        (BASE | {"encoder": 3, "strategy": {"use": "encoder-only"}}, "encoder", "must be a table (got 3)"),
        (BASE | {"encoder": {"use": 3}, "strategy": {"use": "encoder-only"}}, "encoder.use", "must be a string"),
        (
            BASE | {"encoder": {"use": "sasrec", "width": 10}, "strategy": {"use": "encoder-only"}},
            "encoder",
            "multiple of heads",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused_with_the_reason(
    table: dict[str, Any], path: str, text: str, builtins: Plugins
) -> None:
    assert text in problems(table, builtins)[path]


def test_training_lora_without_lora_is_refused(builtins: Plugins, tmp_path: Path) -> None:
    no_lora = dict(BASE)
    no_lora["backbone"] = {"use": "tiny-llama", "lora": None}
    no_lora |= {"strategy": {"use": "text-prompt"}, "stages": {"a": {"objective": "text", "train": ["lora"]}}}
    assert "backbone.lora is not set" in problems(no_lora, builtins)["stages.a.train"]


def test_extends_and_overrides(tmp_path: Path, builtins: Plugins) -> None:
    base = ROOT / "recipes" / "dual_stage.toml"
    child = tmp_path / "child.toml"
    child.write_text(f'extends = "{base}"\nname = "child"\n[data]\nuse = "demo"\n[backbone]\nuse = "tiny-llama"\n')
    recipe = load_recipe(child, ["stages.align.epochs=3", "backbone.width=32", "data.protocol=temporal"], builtins)
    assert (recipe.head.name, recipe.data.use, recipe.data.protocol) == ("child", "demo", "temporal")
    assert recipe.stages["align"].epochs == 3
    assert recipe.stages["align"].batch_size == 16, "inherited"
    assert recipe.choices["backbone"].use == "tiny-llama", "another component comes without the settings below"
    assert recipe.choices["backbone"].dump()["width"] == 32


def test_a_circle_of_extends_is_refused(tmp_path: Path, builtins: Plugins) -> None:
    (tmp_path / "a.toml").write_text('extends = "b.toml"')
    (tmp_path / "b.toml").write_text('extends = "a.toml"')
    with pytest.raises(RecipeError, match="a circle"):
        load_recipe(tmp_path / "a.toml", [], builtins)


@pytest.mark.parametrize(
    ("content", "text"), [(b"name = ", "is not TOML"), (b"\xff\xfe", "is not TOML"), (None, "there is no recipe")]
)
def test_files_that_are_no_recipes(tmp_path: Path, content: bytes | None, text: str, builtins: Plugins) -> None:
    path = tmp_path / "r.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=text):
        load_recipe(path, [], builtins)


@pytest.mark.parametrize("override", ["nokey", "=3", "a..b=3"])
def test_overrides_must_be_key_and_value(override: str) -> None:
    with pytest.raises(RecipeError, match=r"KEY.PATH=VALUE"):
        apply({}, [override])


def test_override_values_are_toml_and_else_text() -> None:
    table = apply({}, ["a.b=3", "a.c=[1, 2]", "a.d=/some/path", "a.e=true", 'a.f="3"'])
    assert table == {"a": {"b": 3, "c": [1, 2], "d": "/some/path", "e": True, "f": "3"}}


def test_merge_keeps_order_of_stages() -> None:
    merged = merge({"stages": {"one": {}, "two": {}}}, {"stages": {"two": {"x": 1}, "three": {}}})
    assert list(merged["stages"]) == ["one", "two", "three"]


leaf = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.lists(st.integers(), max_size=2)
)
keys = st.sampled_from(["use", "name", "seed", "train", "objective", "epochs", "lora", "width", "tokens", "load", "x"])
table = st.recursive(leaf, lambda inner: st.dictionaries(keys, inner, max_size=4), max_leaves=8)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["name", "seed", "data", "encoder", "aligner", "backbone", "strategy", "stages", "evaluate", "?"]
        ),
        table,
        max_size=7,
    )
)
def test_any_table_is_a_recipe_or_a_list_of_problems(fuzzed: dict[str, Any]) -> None:
    known = Plugins()
    known.load()
    try:
        found: Recipe | None = check_recipe(fuzzed, "fuzzed", known)
    except RecipeError as error:
        found, text = None, str(error)
    assert found is not None or "problem" in text


def test_the_schema_knows_every_component_and_allows_no_unknown_key(builtins: Plugins) -> None:
    found = schema(builtins)
    names = {choice["properties"]["use"]["const"] for choice in found["properties"]["encoder"]["anyOf"]}
    assert names == set(builtins.offers("encoders"))
    assert found["additionalProperties"] is False
    assert found["properties"]["stages"]["additionalProperties"]["properties"]["epochs"]["minimum"] == 1
