"""`srl doctor`: what is well, and what to do where something is not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from sasrec_llm.doctor import install, machine
from sasrec_llm.doctor.checkup import check_up
from sasrec_llm.doctor.sections import Section, examined
from sasrec_llm.hookspecs import hookimpl
from sasrec_llm.plugins import Plugins
from sasrec_llm.runs import Workspace
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def well(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without problems of its own."""
    monkeypatch.setattr(machine, "memory", lambda: (8 * 2**30, 4 * 2**30))
    monkeypatch.setattr(machine, "usable_cpus", lambda: 64.0)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("sasrec_llm.doctor.places.LEAST_DISK", 0)


def problems(known: Plugins) -> dict[str, str]:
    sections = check_up(Workspace.from_environment(), known)
    return {problem.what: problem.do for section in sections.values() for problem in section.problems}


def test_nothing_is_wrong_here(srl: Any, reported: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    base = reported["likes"].parent.parent
    monkeypatch.setenv("SRL_DATA", str(base / "data"))
    monkeypatch.setenv("SRL_RUNS", str(base / "runs"))
    monkeypatch.setenv("SRL_DISABLE_PLUGINS", "*")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    done = srl("doctor", "--json")
    told = json.loads(done.out)
    assert (done.code, told["problems"]) == (0, [])
    assert told["versions"]["torch"].startswith("2.")
    assert told["versions"]["sasrec-llm"].endswith(str(ROOT / "sasrec_llm"))
    assert "tune" in told["extras"]
    assert told["plugins"]["SRL_DISABLE_PLUGINS"] == "*"
    assert told["folders"]["runs"].startswith(f"{base / 'runs'}, can be written")
    assert told["models"]["offline"].startswith("yes")
    assert told["datasets"] == {"demo": "20,000 rows, as written"}
    assert told["runs"] == {"in all": "4 finished"}
    done = srl("doctor")
    assert done.code == 0
    assert done.out.endswith("0 problems\n")
    for title in told:
        assert title in done.out


def test_each_problem_is_a_line_that_says_what_to_do(
    srl: Any, demo_folder: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("demo", "shop"):
        shutil.copytree(demo_folder, workspace / "data" / name)
        with (workspace / "data" / name / "items.parquet").open("ab") as stream:
            stream.write(b"x")
    damaged = workspace / "runs" / "2026-01-01-bad-000001"
    damaged.mkdir(parents=True)
    (damaged / "resolved.json").write_text("{")
    monkeypatch.setattr(machine, "memory", lambda: (8 * 2**30, 2**20))
    monkeypatch.setattr(machine, "usable_cpus", lambda: 0.5)
    monkeypatch.setattr("torch.get_num_threads", lambda: 32)
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("sasrec_llm.doctor.places.LEAST_DISK", 2**60)
    monkeypatch.setenv("SRL_CACHE", "/proc/nowhere")
    done = srl("doctor")
    assert done.code == 1
    lines = [line for line in done.out.splitlines() if " -> " in line]
    expected = {
        "the dataset demo: ": "srl data prepare demo",
        "the dataset shop: ": "srl data prepare FILE --name shop",
        "the run 2026-01-01-bad-000001 is damaged": "srl runs rm 2026-01-01-bad-000001",
        "of memory is free": "End what else runs",
        "PyTorch uses 32 threads on 0.5 processors": "export OMP_NUM_THREADS=1",
        "has an NVIDIA GPU that PyTorch": "pytorch.org",
        "is free where data are kept": "export SRL_DATA=PATH",
        "srl may not write to /proc": "export SRL_CACHE=PATH",
    }
    for what, do in expected.items():
        assert any(what in line and do in line.partition(" -> ")[2] for line in lines), what


def test_a_plugin_that_failed_is_a_problem() -> None:
    class Broken:
        @hookimpl
        def srl_encoders(self) -> Iterable[Any]:
            raise ImportError("no such thing")

    found = Plugins()
    found.load()
    found.add(Broken(), "broken")
    told = problems(found)
    (what,) = [what for what in told if "plugin broken" in what]
    assert "ImportError: no such thing" in what
    assert "SRL_DISABLE_PLUGINS=broken" in told[what]


def test_versions_that_do_not_fit_and_extras_that_lack_something(monkeypatch: pytest.MonkeyPatch) -> None:
    has = {"torch": "2.1.0", "optuna": ""}
    monkeypatch.setattr(install, "installed", lambda name: has.get(name, "99"))
    section = Section()
    install.versions(section)
    assert [problem.what for problem in section.problems] == ["torch>=2.10 is needed, and torch is 2.1.0"]
    assert section.problems[0].do == "pip install 'torch>=2.10'"
    section = Section()
    install.extras(section)
    assert section.rows["tune"] == "optuna is missing: pip install 'sasrec-llm[tune]'"
    assert not section.problems, "an extra is a choice"


def test_what_cannot_be_examined_is_a_problem() -> None:
    def look(section: Section) -> None:
        section.rows["before"] = "kept"
        raise OSError("libtorch.so: cannot open\nmore")

    found = examined("machine", look)
    assert found.rows == {"before": "kept"}
    assert found.problems[0].what == "machine could not be examined: OSError: libtorch.so: cannot open"


def test_a_container_has_what_it_may_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(machine, "CONTROL", tmp_path)
    whole = machine.usable_cpus()
    assert whole >= 1
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert machine.usable_cpus() == 0.5
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert machine.usable_cpus() == whole
    (tmp_path / "memory.max").write_text(f"{2**20}\n")
    (tmp_path / "memory.current").write_text(f"{2**19}\n")
    total, free = machine.memory()
    assert (total, free) == (2**20, 2**19) or total == 0  # where the system does not say


def test_unfinished_runs_are_told_and_are_no_problem(
    builtins: Plugins, workspace: Path, reported: dict[str, Path]
) -> None:
    folder = shutil.copytree(reported["likes"], workspace / "runs" / "2026-01-01-likes-000001")
    (folder / "metrics.json").unlink()
    sections = check_up(Workspace.from_environment(), builtins)
    assert sections["runs"].rows == {"in all": "1 interrupted", folder.name: "interrupted: its figures"}
    assert not sections["runs"].problems


def test_it_imports_nothing_heavy_before_it_looks() -> None:
    code = "import sys, sasrec_llm.doctor.checkup; print([m for m in ('torch', 'numpy', 'duckdb') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_a_gpu_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no kernel image is available\nfor execution")

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda number: (60 * 2**30, 80 * 2**30))
    monkeypatch.setattr("torch.cuda.get_device_name", lambda number: "H100")
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda: True)
    monkeypatch.setattr("torch.ones", fails)
    section = Section()
    machine.graphics(section)
    assert section.rows == {"cuda:0": "H100, 80.0 GB, 60.0 GB free", "precision": "fp32, bf16"}
    assert [problem.what for problem in section.problems] == ["the GPU does not compute: no kernel image is available"]
