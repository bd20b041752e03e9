"""Starting up is a feature: what needs no model and no data imports neither."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

HEAVY = ("torch", "transformers", "peft", "duckdb", "sklearn", "numpy", "matplotlib", "optuna")
CODE = """
import sys, json
sys.argv = ["srl", *{arguments!r}]
from sasrec_llm.cli.app import main
code = 0
try:
    main()
except SystemExit as exit:
    code = exit.code or 0
sys.stderr.write("\\n" + json.dumps([code, [name for name in {heavy!r} if name in sys.modules]]))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["data", "prepare", "--help"],
        ["plugins"],
        ["plugins", "show", "builtin"],
        ["plugins", "check", "--help"],
        ["components", "encoders", "--json"],
        ["recipes", "ls"],
        ["recipes", "show", "quickstart"],
        ["recipes", "diff", "sasrec", "mf"],
        ["runs", "ls"],
        ["doctor", "--help"],
        ["recipes", "schema"],
        ["report", "--help"],
        ["recipes", "validate", str(ROOT / "recipes" / "dual_stage.toml")],
        ["data", "prepare", "ml-1n"],
        ["tune", str(ROOT / "recipes" / "sasrec.toml")],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    code = CODE.format(arguments=arguments, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    exit_code, found = json.loads(done.stderr.splitlines()[-1])
    assert found == []
    assert exit_code == (2 if {"ml-1n", "tune"} & set(arguments) else 0)


def test_versions_are_compared_only_where_a_plugin_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRL_DISABLE_PLUGINS", "*")
    code = CODE.format(arguments=["--help"], heavy=("packaging",))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stderr.splitlines()[-1]) == [0, []]
