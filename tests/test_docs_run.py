"""The pages that show commands, code and what they print: everything on them is run."""

from __future__ import annotations

from pathlib import Path

import pytest
from reference.notebook import alike, cells, execute
from reference.shop import write_shop

from tests.conftest import ROOT
from tests.floors_once import floors_once


@pytest.fixture(autouse=True)
def quick(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals and a language model as readers get them; but no report."""
    monkeypatch.setenv("SRL_CACHE", str(workspace / "cache"))
    monkeypatch.setattr("sasrec_llm.backbones.tiny_llama.LINES", 20_000)
    monkeypatch.setattr("sasrec_llm.experiment.draw_page", lambda *_: None)
    monkeypatch.setattr("sasrec_llm.experiment.floors", floors_once)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["walkthrough.md", "own-data.md"])
def test_what_it_shows_is_what_it_prints(name: str, workspace: Path) -> None:
    (workspace / "recipes").symlink_to(ROOT / "recipes")
    write_shop(workspace)
    count = 0
    for cell, printed in execute((ROOT / "docs" / name).read_text(encoding="utf-8")):
        if cell.output is not None:
            count += 1
            assert printed, cell.code
            if not cell.varies:
                again = f"{name}. If that is right: PYTHONPATH=docs python -m reference.notebook {name}"
                assert alike(cell.output, printed), f"\n{printed}is not what stands in {again}"
    assert count >= 3


def test_no_command_of_the_page_is_left_out() -> None:
    page = (ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")
    run = "".join(cell.code for cell in cells(page) if cell.language == "sh")
    shown = [line.strip() for line in page.splitlines() if line.strip().startswith("srl ")]
    assert len(shown) >= 10
    assert [line for line in shown if line not in run] == []


def test_near_figures_are_alike() -> None:
    assert alike("auc .7055 [.681, .728]\n", "auc   .7060 [.680, .730]\n")
    assert not alike("auc .7055\n", "auc .8055\n")
    assert not alike("3,603 rows\n", "3,604 rows\n")
    assert not alike("quarantined\n", "kept\n")
