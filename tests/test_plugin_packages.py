"""The packages in `plugins/`: written against public names, and installed from their folders where nothing else is."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sasrec_llm
import sasrec_llm.testing
from tests.conftest import ROOT

PACKAGES = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
BROKEN = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "srl-broken"
version = "0.1"
[project.entry-points.srl]
broken = "srl_broken"
"""
RECIPE = """
name = "mine"
data.use = "demo"
data.protocol = "leave-one-out"
encoder.use = "{encoder}"
strategy.use = "encoder-only"
stages.encoder = {{ objective = "{objective}", train = ["encoder"] }}
"""


def imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """module, name"""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_package_imports_public_names_only(package: Path) -> None:
    public = {("sasrec_llm", name) for name in sasrec_llm.__all__}
    public |= {("sasrec_llm.testing", name) for name in sasrec_llm.testing.__all__}
    files = list(package.glob("**/*.py"))
    assert files
    found = {(str(file), *pair) for file in files for pair in imported(ast.parse(file.read_text(encoding="utf-8")))}
    ours = {entry for entry in found if entry[1].partition(".")[0] == "sasrec_llm"}
    assert ours
    assert {entry for entry in ours if entry[1:] not in public} == set()


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with all that srl depends on, and of srl and its plugins what pip makes of their folders."""
    pytest.importorskip("hatchling", reason="hatchling is not installed: packages cannot be built offline")
    base = tmp_path_factory.mktemp("packages")
    broken, others, target = base / "srl-broken", base / "others", base / "site"
    broken.mkdir()
    (broken / "pyproject.toml").write_text(BROKEN)
    (broken / "srl_broken.py").write_text("import nonexistent_thing\n")
    others.mkdir()
    for site in filter(lambda path: path.endswith("site-packages"), sys.path):
        for path in Path(site).iterdir():
            if "srl" not in path.name and "sasrec" not in path.name and not (others / path.name).exists():
                (others / path.name).symlink_to(path)
    folders = [str(folder) for folder in (ROOT, *PACKAGES, broken)]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(target), *folders], check=True, timeout=240)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SRL_")}
    return {**kept, "PYTHONPATH": f"{target}{os.pathsep}{others}"}


def srl(clean: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`-S`: the folders of PYTHONPATH, and nothing that is installed beside them."""
    command = [sys.executable, "-S", "-m", "sasrec_llm", *arguments]
    return subprocess.run(command, env=clean, capture_output=True, text=True, timeout=60)


def test_packages_install_from_their_folders_beside_one_that_is_broken(clean: dict[str, str]) -> None:
    done = srl(clean, "plugins", "--json")
    rows: dict[str, dict[str, Any]] = {row["package"]: row for row in json.loads(done.stdout)}
    assert set(rows) == {"sasrec-llm", "srl-broken", *(package.name for package in PACKAGES)}
    broken = rows.pop("srl-broken")
    assert (broken["status"], broken["error"]) == (
        "failed",
        "ModuleNotFoundError: No module named 'nonexistent_thing'",
    )
    assert {name: row["error"] for name, row in rows.items() if row["status"] != "ok"} == {}
    assert all(row["hooks"] for row in rows.values())
    assert (done.returncode, "srl-broken" in done.stderr) == (0, True)


@pytest.mark.parametrize(("encoder", "objective"), [("smoothed-popularity", "fit"), ("hstu", "next-item")])
def test_a_recipe_with_a_component_of_theirs_is_fine(
    clean: dict[str, str], encoder: str, objective: str, tmp_path: Path
) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(RECIPE.format(encoder=encoder, objective=objective))
    done = srl(clean, "recipes", "validate", str(recipe))
    assert (done.returncode, f"{recipe} is fine" in done.stderr.replace("\n", "")) == (0, True), done.stderr


def test_recipes_of_packages_are_listed_and_fine(clean: dict[str, str]) -> None:
    site = clean["PYTHONPATH"].partition(os.pathsep)[0]
    listed = [found["path"] for found in json.loads(srl(clean, "recipes", "list", "--json").stdout)]
    assert all(path.startswith(site) for path in listed)
    theirs = [path for path in listed if "_recipes" not in path]
    assert "hstu.toml" in {Path(path).name for path in theirs}
    assert srl(clean, "recipes", "validate", *theirs).returncode == 0
