"""The command line as people meet it: what is printed where, exit codes, one clear message for a mistake."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sasrec_llm.cli import app as cli
from sasrec_llm.errors import UsageError
from sasrec_llm.signals import Interrupted, listening
from tests.conftest import ROOT

TINY = """
name = "small"
[data]
use = "demo"
[encoder]
use = "sasrec"
width = 16
heads = 2
[strategy]
use = "encoder-only"
[stages.encoder]
objective = "like"
train = ["encoder"]
epochs = 1
epoch_steps = 3
"""


@pytest.fixture
def prepared(demo_folder: Path, workspace: Path) -> Path:
    shutil.copytree(demo_folder, workspace / "data" / "demo")
    (workspace / "small.toml").write_text(TINY)
    return workspace


def test_run_then_eval(srl: Any, prepared: Path) -> None:
    done = srl("run", "small.toml")
    assert done.code == 0, done.err
    assert "test, all: 2,001 rows, 152 users" in done.out
    assert "AUC" in done.out
    assert "item-mean" in done.out
    assert "runs/" in done.out.splitlines()[-1]
    assert "small · demo (temporal) · sasrec · encoder-only" in done.err
    assert "trains encoder" in done.err
    done = srl("eval", "--split", "warm", "--split", "cold")
    assert done.code == 0, done.err
    assert "test, warm: " in done.out
    assert "more than 3 train rows" in done.out
    figures = json.loads(srl("eval", "small", "--split", "warm", "--json").out)
    assert figures["test"][0]["subset"] == "warm"
    assert 0 < figures["test"][0]["systems"]["small"]["auc"]["value"] < 1
    assert json.loads(srl("run", "small.toml", "--json").out)["test"][0]["rows"] == 2001


def test_data_commands(srl: Any, workspace: Path) -> None:
    done = srl("data", "prepare", "demo")
    assert done.code == 0
    assert "20,000 · merged 0 · quarantined 0" in done.out
    assert "prepared" in srl("data", "ls").out
    assert "licence" not in srl("data", "show", "demo").err
    assert json.loads(srl("data", "show", "demo", "--json").out)["kept"] == 20_000
    Path("shop.csv").write_text(
        "who,what,stars,when\n" + "".join(f"u{i % 9},i{i % 7},{1 + i % 5},{i}\n" for i in range(90))
    )
    done = srl("data", "prepare", "shop.csv", "--user", "who", "--item", "what", "--time", "when", "--like-at", 3)
    assert done.code == 0, done.err
    assert json.loads(srl("data", "show", "shop", "--json").out)["like_at"] == 3


def test_listings(srl: Any) -> None:
    assert "sasrec-llm" in srl("plugins").out
    (row,) = [row for row in json.loads(srl("plugins", "--json").out) if row["package"] == "sasrec-llm"]
    assert row["status"] == "ok"
    assert row["offers"]["encoders"] >= 4
    out = srl("components", "encoders").out
    assert "gru4rec: Hidasi et al. 2016, arXiv 1511.06939" in out
    assert "sasrec" in out
    assert "dropout" in out
    kinds = {entry["kind"] for entry in json.loads(srl("components", "--json").out)}
    assert kinds == {"source", "encoder", "aligner", "backbone", "strategy", "metric"}


@pytest.mark.parametrize(
    ("arguments", "code", "texts"),
    [
        (["run", "nowhere.toml"], 2, ["there is no recipe nowhere.toml", "srl recipes ls"]),
        (["run", "smal.toml"], 2, ["did you mean 'small.toml'?"]),
        (["run", "broken.toml"], 2, ["is not TOML"]),
        (["run", "small.toml", "--set", "stages.encoder.epochs=none"], 2, ["stages.encoder.epochs", "whole number"]),
        (["run", "small.toml", "--set", "encoder.widht=8"], 2, ["encoder.widht", "did you mean 'width'?"]),
        (["run", "small.toml", "--set", "data.use=dmeo"], 2, ["unknown dataset 'dmeo' (did you mean 'demo'?)"]),
        (["run", "small.toml", "--set", "data.use=ml-1m"], 2, ["ml-1m is not prepared", "Run: srl data prepare ml-1m"]),
        (["run", "small.toml", "--set", "data.protocol=colm"], 2, ["data.protocol", "must be 'collm', 'temporal', "]),
        (["run", "small.toml", "--set", "device=cuda"], 2, ["this machine has no cuda device", "--set device=auto"]),
        (["eval"], 2, ["there is no finished run", "srl run"]),
        (["eval", "--split", "wram"], 2, ["unknown subset 'wram' (did you mean 'warm'?)"]),
        (["data", "prepare", "ml-1n"], 2, ["unknown dataset 'ml-1n' (did you mean 'ml-1m'?)"]),
        (["data", "prepare", "collm-ml-1m"], 2, ["cannot be downloaded", "--from PATH"]),
        (["data", "prepare", "ml-1m", "--from", "nowhere"], 2, ["there is no nowhere"]),
        (["data", "prepare", "nowhere.csv"], 2, ["there is no nowhere.csv"]),
        (["data", "prepare", "shop.csv", "--user", "whom"], 2, ["no column 'whom' (did you mean 'who'?)"]),
        (["data", "prepare", "shop.csv", "--max-bad", "2"], 2, ["--max-bad"]),
        (["data", "prepare", "empty.csv"], 2, ["empty.csv is empty"]),
        (["data", "show", "nothing"], 2, ["nothing is not prepared"]),
        (["components", "encodes"], 2, ["unknown kind 'encodes' (did you mean 'encoders'?)"]),
        (["helo"], 2, ["helo"]),
        (["run", ROOT / "recipes" / "dual_stage.toml", "--set", "data.use=demo", "--set", "data.protocol=temporal"], 2,
         ["not in the local cache and the hub cannot be reached", "--set backbone.model=PATH", "dual_stage_cpu.toml"]),
        (["run", ROOT / "recipes" / "tallrec.toml", "--set", "data.use=demo", "--set", "backbone.model=./nowhere"], 2,
         ["there is no model folder ./nowhere"]),
    ],
    ids=lambda value: " ".join(map(str, value))[-60:] if isinstance(value, list) else str(value),
)  # fmt: skip
def test_a_mistake_is_one_clear_message(
    srl: Any, prepared: Path, arguments: list[str], code: int, texts: list[str]
) -> None:
    Path("broken.toml").write_text("name = ")
    Path("empty.csv").write_text("")
    Path("shop.csv").write_text("who,item,time\n1,2,3\n")
    before = sorted(prepared.rglob("*"))
    done = srl(*arguments)
    assert done.code == code, done.err
    for text in texts:
        assert text in done.err.replace("\n", " ").replace("  ", " ")
    assert "Traceback" not in done.err + done.out
    assert done.out == ""
    assert sorted(path for path in prepared.rglob("*") if "/runs/" not in str(path) and path.suffix != ".lock") == [
        *before,
        *prepared.glob("runs"),
    ]
    assert not list(prepared.glob("data/.tmp*"))


def test_a_dry_run_says_what_a_run_will_take_and_keeps_nothing(srl: Any, prepared: Path) -> None:
    done = srl("run", prepared / "small.toml", "--dry-run", "--json")
    assert done.code == 0, done.err
    (stage,) = json.loads(done.out)["small"]
    assert stage["stage"] == "encoder"
    assert stage["seconds"] > 0
    assert stage["memory_mb"] > 100
    (n,) = stage["trains"].values()
    assert stage["weights_mb"] == stage["gradients_mb"] == pytest.approx(4 * n / 2**20, abs=0.05)
    assert stage["optimiser_mb"] == pytest.approx(8 * n / 2**20, abs=0.05)
    assert "encoder: weights" in done.err
    assert not list(prepared.glob("runs/[!.]*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(
    srl: Any, prepared: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    from sasrec_llm.train import loop

    real, seen = loop._step, []

    def signalled(*arguments: Any) -> Any:
        seen.append(1)
        if len(seen) == 2:
            os.kill(os.getpid(), number)
        return real(*arguments)

    monkeypatch.setattr(loop, "_step", signalled)
    done = srl("run", prepared / "small.toml")
    assert done.code == 128 + number
    assert f"{number.name}: what is done is kept. To go on: srl" in done.err
    (kept,) = prepared.glob("runs/*/stages/*/checkpoints/*")
    assert kept.name == "000000-000000002", "the step that ran is done to its end"
    assert srl("run", prepared / "small.toml").code == 0


def test_a_signal_that_python_swallows_is_raised_again() -> None:
    class Awkward:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0)

    def work() -> None:
        with listening():
            Awkward()
            time.sleep(5)

    with pytest.raises(Interrupted):
        work()


def test_debug_shows_the_traceback() -> None:
    command = [sys.executable, "-m", "sasrec_llm", "--debug", "run", "nowhere.toml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_a_plugin_command_may_not_take_a_name(srl: Any) -> None:
    import typer

    from sasrec_llm.hookspecs import hookimpl
    from sasrec_llm.plugins import Plugins

    class Adds:
        def __init__(self, name: str) -> None:
            self.name = name

        @hookimpl
        def srl_commands(self, app: typer.Typer) -> None:
            app.command(self.name)(lambda: None)

    found, root = Plugins(), typer.Typer()
    root.command("run")(lambda: None)
    found.add(Adds("run"), "bad")
    found.add(Adds("hello"), "good")
    cli.add_plugin_commands(root, found)
    assert [command.name for command in root.registered_commands] == ["run", "hello"]
    assert {row.name: row.status for row in found.rows} == {"bad": "failed", "good": "ok"}


@pytest.mark.parametrize(
    "command",
    ["", "run", "eval", "tune", "data prepare", "data ls", "runs rm", "doctor", "components", "plugins", "recipes"],
)
def test_every_command_has_help_with_a_first_line(srl: Any, command: str) -> None:
    done = srl(*command.split(), "--help")
    assert done.code == 0, done.err
    assert "Usage: " in done.out
    assert len(done.out.split("\n\n")[1].strip()) > 20


def test_what_follows_from_a_signal_that_was_swallowed_is_the_signal() -> None:
    """numpy, whose import is cut in two, ends in a RecursionError; an error of ours stays what it is."""

    def work(error: Exception, signalled: bool = True) -> None:
        with listening():
            if signalled:
                with contextlib.suppress(Interrupted):
                    signal.raise_signal(signal.SIGTERM)
            raise error

    with pytest.raises(Interrupted):
        work(RecursionError("half a module"))
    with pytest.raises(UsageError):
        work(UsageError("of ours"))
    with pytest.raises(RecursionError):
        work(RecursionError("without a signal"), signalled=False)
