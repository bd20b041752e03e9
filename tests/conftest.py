from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sasrec_llm.cli import app as cli
from sasrec_llm.data.interactions import Interactions, load_interactions
from sasrec_llm.data.own import OwnData
from sasrec_llm.data.prepare import prepare
from sasrec_llm.plugins import Plugins, plugins
from tests.floors_once import floors_once
from tests.report_runs import make_pages, make_runs
from tests.small_data import MONTH, prepared

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("SRL_TEST_DATA", ROOT.parent / "shared" / "data"))
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def pytest_report_header() -> str:
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers", "peft", "duckdb")
    )
    real = "found" if SHARED.is_dir() else "absent, its tests are skipped"
    return f"{versions}; real data ({SHARED}): {real}"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data, where it is present."""
    if not SHARED.is_dir():
        pytest.skip(f"real data is not at {SHARED}; set SRL_TEST_DATA")
    return SHARED


@pytest.fixture(autouse=True)
def workspace(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Every test has data and runs of its own; what is costly to make is cached for the session. The plugins that it
    found are forgotten: one that disables them must not have said so for the next."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SRL_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    for name in ("SRL_DATA", "SRL_RUNS", "SRL_STRICT_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path
    plugins.cache_clear()


class Done:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def srl(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call `srl` in this process, fresh plugins each time."""

    def call(*arguments: object) -> Done:
        plugins.cache_clear()
        monkeypatch.setattr(sys, "argv", ["srl", *map(str, arguments)])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def builtins() -> Plugins:
    found = Plugins()
    found.load()
    return found


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory, builtins: Plugins) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "demo"
    prepare(builtins.get("sources", "demo"), given=None, folder=folder, cache=folder.parent)
    return folder


@pytest.fixture(scope="session")
def tied_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 rows of 40 users over three years, many of the same second; users with one, two and three rows, the last of
    them of an item that nobody else has."""
    chance = np.random.default_rng(3)
    columns = [chance.integers(1, high + 1, 600).tolist() for high in (40, 30, 5, 36)]
    rows = [(user, item, rating, int(month * MONTH)) for user, item, rating, month in zip(*columns, strict=True)]
    few = [(41, 1, 5, 0), (42, 2, 5, 0), (42, 3, 5, 9), (43, 1, 5, 0), (43, 2, 5, int(37 * MONTH))]
    few.append((43, 31, 5, int(38 * MONTH)))
    return prepared(tmp_path_factory.mktemp("prepared") / "tied", [*rows, *few])


@pytest.fixture(scope="session")
def collm_folder(shared: Path, builtins: Plugins, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "collm-ml-1m"
    prepare(builtins.get("sources", "collm-ml-1m"), given=shared / "collm-ml-1m", folder=folder, cache=folder.parent)
    return folder


@pytest.fixture(scope="session")
def few_folder(tmp_path_factory: pytest.TempPathFactory, builtins: Plugins) -> Path:
    """The first 60 users and items of the demo, for tests that train more than once."""
    folder = tmp_path_factory.mktemp("few") / "demo"
    few = OwnData(max_id=60)
    prepare(builtins.get("sources", "demo"), given=None, folder=folder, cache=folder.parent, own=few)
    return folder


@pytest.fixture(scope="session")
def demo(demo_folder: Path) -> Interactions:
    return load_interactions(demo_folder, "temporal")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of a test draw few users and no page, and ask the same floors once: that would take longer than all the
    rest. test_report.py has pages."""
    monkeypatch.setattr("sasrec_llm.evaluation.bootstrap.DRAWS", 50)
    monkeypatch.setattr("sasrec_llm.experiment.draw_page", lambda *_: None)
    monkeypatch.setattr("sasrec_llm.experiment.floors", floors_once)


@pytest.fixture(scope="session", autouse=True)
def few_lines() -> Iterator[None]:
    """The language models that tests make have read a tenth; to read takes longer than to train them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sasrec_llm.backbones.tiny_llama.LINES", 2_000)
        yield


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path, builtins: Plugins) -> dict[str, Path]:
    """Finished runs, by name; nothing may write into them."""
    return make_runs(tmp_path_factory.mktemp("reported"), demo_folder, builtins)


@pytest.fixture(scope="session")
def pages(reported: dict[str, Path], builtins: Plugins, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages about them: of one, of one that asks what comes next, of several."""
    return make_pages(reported, tmp_path_factory.mktemp("pages"), builtins)


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[str]:
    """The address of a cluster of two machines with one core each, both of them this one."""
    ray = pytest.importorskip("ray", reason="ray is not installed")
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))  # the code that is tested, in every process
        cluster = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
        cluster.add_node(**small)
    yield cluster.address
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium, where it is installed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=program, args=QUIET
        )
        yield found
        found.close()
