"""docs/plugins.md says of every hook what it is, its examples work, and every variable of the environment is told."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import sasrec_llm.testing
from sasrec_llm.components import KINDS
from sasrec_llm.hookspecs import Events, Offers
from sasrec_llm.plugins import Plugins, singular
from sasrec_llm.testing import check_component, check_plugin
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"^### `(.*)`$", PAGE, re.MULTILINE)
HOOKS = [hook for specs in (Offers, Events) for name, hook in vars(specs).items() if name.startswith("srl_")]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE + README, re.MULTILINE | re.DOTALL)
EXAMPLES = [block for block in BLOCKS if "@hookimpl" in block]


def signature(hook: object) -> str:
    """As it stands in hookspecs.py, without `self`."""
    found = inspect.signature(hook)  # type: ignore[arg-type]
    arguments = [f"{name}: {about.annotation}" for name, about in found.parameters.items() if name != "self"]
    return f"{hook.__name__}({', '.join(arguments)}) -> {found.return_annotation}"  # type: ignore[attr-defined]


def test_every_hook_is_documented_with_its_exact_signature_and_no_other_is() -> None:
    assert [signature(hook) for hook in HOOKS] == HEADINGS
    assert (
        signature(Events.srl_logged) == "srl_logged(stage: StageInfo, step: int, values: Mapping[str, float]) -> None"
    )


def load(code: str, path: Path) -> ModuleType:
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_is_a_plugin_that_works(number: int, tmp_path: Path) -> None:
    module = load(EXAMPLES[number], tmp_path / f"example_{number}.py")
    check_plugin(module)
    (tmp_path / "shop.csv").write_text(
        "who,what,stars,when\n" + "".join(f"{i % 9},{i % 7},{1 + i % 5},{i}\n" for i in range(90))
    )
    found = Plugins()
    found.add(module, "example")
    for kind in KINDS:
        for component, _ in found.offers(kind).values():
            check_component(component, {"from": tmp_path} if kind == "sources" else None, kind=singular(kind))


def test_all_examples_can_be_read_and_offer_most_kinds() -> None:
    for block in BLOCKS:
        ast.parse(block)
    implemented = set(re.findall(r"def (srl_\w+)", "".join(EXAMPLES)))
    assert {"srl_encoders", "srl_metrics", "srl_sources", "srl_recipes", "srl_commands", "srl_logged"} <= implemented


def test_what_helps_with_testing_is_all_named() -> None:
    for name in sasrec_llm.testing.__all__:
        assert f"`{name}(" in PAGE or name.removeprefix("check_") in PAGE, name


def test_every_variable_of_the_environment_is_documented() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "sasrec_llm").rglob("*.py"))
    read = set(re.findall(r"(?:environ\.get|getenv|environ\.pop)\(\s*\"(SRL_\w+)\"", sources))
    read |= set(re.findall(r"environ\[\"(SRL_\w+)\"\](?!\s*=[^=])", sources))
    assert {"SRL_DATA", "SRL_DISABLE_PLUGINS"} <= read
    pages = "".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")])
    assert [name for name in sorted(read) if name not in pages] == []
