"""The page: what is on it, what cannot get on it, and what it says when something is missing."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from click.testing import Result
from sklearn.calibration import calibration_curve
from typer.testing import CliRunner

from sasrec_llm.cli.app import app
from sasrec_llm.data.card import read_card
from sasrec_llm.data.interactions import Interactions, load_interactions
from sasrec_llm.errors import RunError
from sasrec_llm.evaluation.bootstrap import Difference, Figure
from sasrec_llm.evaluation.results import Table
from sasrec_llm.plugins import Plugins
from sasrec_llm.report.contents import Prepared, contents_of_comparison, contents_of_run
from sasrec_llm.report.examples import USERS, examples
from sasrec_llm.report.figures.popularity import popularity
from sasrec_llm.report.measures import best
from sasrec_llm.report.page import EXPECTED, page
from sasrec_llm.report.predictions import TENTHS, read_predictions, reliability, tenths
from sasrec_llm.report.reading import PIECES, read_log, smooth
from sasrec_llm.report.records import Contents, Measure
from sasrec_llm.report.write import write_report
from tests.report_runs import DRAWS, compared, without_intervals

EVIL = '<script>alert("x")</script>'
VOID = {"meta", "link", "br", "img", "rect", "path", "use"}


class Page(HTMLParser):
    """Tags with their attributes and the text in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[int, str] = {}  # place in `tags` -> what stands right after it
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.setdefault(len(self.tags) - 1, data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def heads(self) -> list[tuple[int, str]]:
        return [
            (int(tag[1]), self.text.get(at, "")) for at, (tag, _) in enumerate(self.tags) if re.fullmatch(r"h\d", tag)
        ]


def made(folder: Path, plugins: Plugins) -> Contents:
    task = json.loads((folder / "metrics.json").read_text())["data"]["task"]
    demo = folder.parent.parent / "data" / "demo"
    found = load_interactions(demo, "temporal", task=task)
    return contents_of_run(folder, Prepared(found, read_card(demo)), plugins)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are put together and not drawn, which takes most of the time."""
    monkeypatch.setattr("sasrec_llm.report.figures.canvas.svg_of", lambda *_: "<svg/>")


@pytest.fixture(scope="module")
def like(reported: dict[str, Path], builtins: Plugins) -> Contents:
    return made(reported["likes"], builtins)


@pytest.fixture(scope="module")
def html(pages: dict[str, Path]) -> str:
    return pages["one"].read_text()


def variables(mode: str) -> dict[str, str]:
    """The colours of the style sheet."""
    css = (files("sasrec_llm.report") / "templates" / "style.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", dark if mode == "dark" else light))


def luminance(colour: str) -> float:
    """As WCAG defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_figure_is_there_and_says_what_it_shows(html: str) -> None:
    for name in EXPECTED:
        drawn = re.search(rf'<figure id="figure-{name}".*?</figure>', html, re.DOTALL)
        assert drawn, name
        svg = re.search(r"<svg .*?</svg>", drawn[0], re.DOTALL)
        assert svg
        assert 'role="img"' in svg[0]
        words = re.search(r"<desc[^>]*>(.+?)</desc>", svg[0])
        assert words
        assert any(figure in words[1] for figure in ("likes", "item-mean", "liked in test")) or name == "training"
        assert "<text" in svg[0], "text stays text"
        assert "<table" in drawn[0], "its numbers"
    assert html.count("<svg") == len(EXPECTED)


def test_structure(html: str) -> None:
    found = Page(html)
    levels = [level for level, _ in found.heads()]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(text for _, text in found.heads())
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for attributes in (attributes for _, attributes in found.tags):
        for name in ("aria-labelledby", "aria-describedby"):
            assert set((attributes.get(name) or "").split()) <= set(ids)
        if (attributes.get("href") or "").startswith("#"):
            assert str(attributes["href"])[1:] in ids
    assert all(attributes.get("scope") in ("row", "col", "rowgroup") for attributes in found.all("th"))
    tables = re.findall(r"<table.*?</table>", html, re.DOTALL)
    assert tables
    for table in tables:
        assert "<caption" in table
        assert 'scope="col"' in table
        assert 'scope="row"' in table
    assert found.all("html")[0]["lang"] == "en"
    assert found.all("meta")[2]["name"] == "viewport"


def test_nothing_is_fetched_and_nothing_runs(html: str) -> None:
    found = Page(html)
    assert not found.all("script")
    for tag, attributes in found.tags:
        assert not any(name.startswith("on") for name in attributes), tag
        for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
    assert not re.search(r"url\((?!#)|@import", html)
    policy = found.all("meta")[1]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert "default-src 'none'" in str(policy["content"])


def test_a_title_is_text(like: Contents, reported: dict[str, Path], builtins: Plugins, demo: Interactions) -> None:
    evil = dataclasses.replace(demo, titles=tuple(f"{EVIL} & {title}" for title in demo.titles))
    found = read_predictions(reported["likes"] / "predictions.parquet", "likes")
    assert found
    text = page(
        dataclasses.replace(
            like,
            title=EVIL,
            examples=list(examples(evil, found)),
            systems={**like.systems, EVIL: "system"},
            test=[dataclasses.replace(t, systems={**t.systems, EVIL: t.systems["likes"]}) for t in like.test],
            answers={**like.answers, EVIL: like.answers["likes"]},
            sources=[dataclasses.replace(like.sources[0], recipe=f"</pre>{EVIL}", environment=[(EVIL, EVIL)])],
        )
    )
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(") > 20


def test_the_same_input_gives_the_same_bytes(html: str, reported: dict[str, Path], builtins: Plugins) -> None:
    assert page(made(reported["likes"], builtins)) == html


def test_the_settings_of_this_machine_do_not_matter(like: Contents, html: str) -> None:
    with matplotlib.rc_context({"axes.linewidth": 9, "lines.linestyle": ":", "font.size": 30}):
        drawn = popularity(like)
    assert drawn
    assert drawn.svg in html


def test_colours_are_variables_that_both_modes_have(html: str) -> None:
    used = set(re.findall(r"var\(--(\w+)\)", html))
    for mode in ("light", "dark"):
        assert used <= set(variables(mode))
    for svg in re.findall(r"<svg .*?</svg>", html, re.DOTALL):
        assert not re.search(r"#[0-9a-fA-F]{6}\b", svg)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_contrast(mode: str) -> None:
    """WCAG AA: 4.5 for text, 3 for what is drawn."""
    colours = variables(mode)

    def ratio(one: str, other: str) -> float:
        low, high = sorted(luminance(colours[name]) for name in (one, other))
        return (high + 0.05) / (low + 0.05)

    for text in ("ink", "muted", "link"):
        assert min(ratio(text, "page"), ratio(text, "soft")) >= 4.5, text
    for series in ("floor", *(f"c{nth}" for nth in range(1, 9))):
        assert ratio(series, "page") >= 3, series


def table_of(values: dict[str, float | None], small: bool = False) -> Table:
    size = 5 if small else 500
    return Table("all", size, size, {}, {name: {"auc": Figure(value)} for name, value in values.items()})


@pytest.mark.parametrize(
    ("values", "better", "small", "expected"),
    [
        ({"a": 0.7, "b": 0.6}, "higher", False, {"a"}),
        ({"a": 0.7, "b": 0.6}, "lower", False, {"b"}),
        ({"a": 0.7, "b": 0.6}, "", False, set()),
        ({"a": 0.7, "b": 0.6}, "higher", True, set()),
        ({"a": 0.70001, "b": 0.70002, "c": 0.1}, "higher", False, {"a", "b"}),  # shown as equal
        ({"a": 0.7, "b": 0.7}, "higher", False, set()),
        ({"a": None, "b": 0.7, "c": 0.8}, "higher", False, {"c"}),
    ],
)
def test_best(values: dict[str, float | None], better: Any, small: bool, expected: set[str]) -> None:
    assert best(table_of(values, small), Measure("auc", "AUC", better)) == expected


@pytest.mark.usefixtures("undrawn")
def test_a_small_table_marks_nothing_best(like: Contents) -> None:
    table = re.compile(r'<table class="results">.*?</table>', re.DOTALL)
    first = table.search(page(like))
    small = table.search(page(dataclasses.replace(like, test=[dataclasses.replace(like.test[0], rows=5)])))
    assert first
    assert small
    assert '<span class="unseen"> best</span>' in first[0]
    assert "<strong>" not in small[0]
    assert "Floors" in first[0]


@pytest.mark.usefixtures("undrawn")
def test_differences_are_shown(like: Contents) -> None:
    given = {"likes": {"auc": Difference(-0.0123, -0.02, 0.001, 0.04)}}
    table = dataclasses.replace(like.test[0], differences=given)
    text = page(dataclasses.replace(like, test=[table], reference="item-mean"))
    assert "minus item-mean on the same rows" in text
    assert "−.012 <small>[−.020, +.001] p .040</small>" in text


def test_what_comes_next(pages: dict[str, Path]) -> None:
    text = pages["next"].read_text()
    for name in set(EXPECTED) - {"calibration"}:
        assert f'<figure id="figure-{name}"' in text
    assert "Calibration is not drawn" in text
    assert "What came next: " in text
    assert text.count("<h4>Recommended</h4>") == USERS


@pytest.mark.usefixtures("undrawn")
def test_older_figures_have_no_intervals(reported: dict[str, Path], builtins: Plugins, tmp_path: Path) -> None:
    folder = shutil.copytree(reported["likes"], tmp_path / reported["likes"].name)
    without_intervals(folder)
    text = page(contents_of_run(folder, Prepared(missing="gone"), builtins))
    assert "gave no intervals" in text
    assert "<small>" not in text
    assert "95 % intervals" not in text
    assert '<figure id="figure-systems"' in text


@pytest.mark.usefixtures("undrawn")
def test_without_the_data(reported: dict[str, Path], builtins: Plugins, tmp_path: Path) -> None:
    write_report(reported["likes"], tmp_path / "page.html", datasets=tmp_path / "none", plugins=builtins)
    text = (tmp_path / "page.html").read_text()
    assert "demo is not prepared. Run: srl data prepare demo" in text
    assert "Popularity is not drawn" in text
    assert '<figure id="figure-calibration"' in text, "that takes no data"


@pytest.mark.usefixtures("undrawn")
def test_data_that_has_changed(reported: dict[str, Path], builtins: Plugins, tmp_path: Path, demo_folder: Path) -> None:
    folder = shutil.copytree(reported["likes"], tmp_path / "runs" / reported["likes"].name)
    resolved = json.loads((folder / "resolved.json").read_text())
    resolved["data"]["history"] = "collm"
    (folder / "resolved.json").write_text(json.dumps(resolved))
    write_report(folder, tmp_path / "page.html", datasets=demo_folder.parent, plugins=builtins)
    assert "is not the one that this run was scored on" in (tmp_path / "page.html").read_text()


@pytest.mark.usefixtures("undrawn")
def test_without_predictions_or_a_log(reported: dict[str, Path], builtins: Plugins, tmp_path: Path) -> None:
    folder = shutil.copytree(reported["likes"], tmp_path / "runs" / reported["likes"].name)
    for name in ("predictions.parquet", "log.jsonl", "manifest.json", "recipe.toml"):
        (folder / name).unlink()
    shutil.copytree(reported["likes"].parent.parent / "data", tmp_path / "data")
    text = page(made(folder, builtins))
    for missing in ("Calibration is not drawn", "Popularity is not drawn", "Training curves are not drawn"):
        assert missing in text
    assert "predictions.parquet is gone" in text
    assert "manifest.json is gone" in text
    assert "recipe.toml is gone" in text


@pytest.mark.usefixtures("undrawn")
def test_a_closed_form_has_no_curves(reported: dict[str, Path], builtins: Plugins) -> None:
    text = page(made(reported["means"], builtins))
    assert "Training curves are not drawn: nothing was trained epoch by epoch" in text
    assert '<figure id="figure-systems"' in text


def test_several_runs_on_one_page(
    reported: dict[str, Path], builtins: Plugins, demo: Interactions, pages: dict[str, Path]
) -> None:
    found = contents_of_comparison(
        compared(reported, builtins), reported["likes"].parent, Prepared(demo, missing=""), builtins
    )
    floors = ["constant", "item-mean", "bias-regression", "stacked"]
    assert list(found.systems) == ["likes", "likes after first: like", "means", *floors], "floors once, at the end"
    assert found.of("floor") == floors
    assert (found.reference, found.baseline) == ("likes", "constant")
    assert [training.system for training in found.trainings] == ["likes", "likes", "means"]
    assert set(found.whole.differences) == set(found.systems) - {"likes"}
    text = pages["several"].read_text()
    for name in EXPECTED:
        assert f'<figure id="figure-{name}"' in text, name
    assert "Each minus likes on the same rows" in text
    assert "Of several seeds the mean is shown" in text
    assert "in the report of its own run" in text
    assert text.count("likes, seed 42: first") >= 2, "each seed has its stages"


def test_reliability_is_what_scikit_learn_says() -> None:
    chance = np.random.default_rng(0)
    share = chance.random(3000)
    label = (chance.random(3000) < share).astype(np.int64)
    ours = reliability(label, share)
    happened, said = calibration_curve(label, share, n_bins=15, strategy="quantile")
    assert ours.said == pytest.approx(said, abs=0.002)  # it interpolates where bins end
    assert ours.happened == pytest.approx(happened, abs=0.02)
    assert sum(ours.rows) == 3000
    constant = reliability(label, np.full(3000, 0.5))
    assert constant.said == [0.5]
    assert constant.happened == [pytest.approx(label.mean())]


def test_tenths_hold_a_tenth_of_the_likes() -> None:
    likes = np.random.default_rng(0).integers(0, 40, 500)
    found = tenths(likes)
    shares = np.bincount(found, weights=likes, minlength=TENTHS + 1) / likes.sum()
    assert shares[:TENTHS] == pytest.approx([0.1] * TENTHS, abs=0.01)
    assert set(likes[found == TENTHS]) == {0}
    assert likes[found == 0].min() >= likes[found == 1].max()


def test_examples_are_drawn_not_picked(like: Contents, reported: dict[str, Path], demo: Interactions) -> None:
    found = read_predictions(reported["likes"] / "predictions.parquet", "likes")
    assert found
    flipped = dataclasses.replace(found, columns={**found.columns, "probability": 1 - found.columns["probability"]})
    users = [example.user for example in examples(demo, flipped)]
    assert users == [example.user for example in like.examples]
    assert len(users) == USERS
    for example in like.examples:
        shown = [float(item.figure.removeprefix("P ")) for item in example.shown]
        assert shown == sorted(shown, reverse=True)
        rows = np.flatnonzero(found.users == example.user)
        assert {item.title for item in example.shown} <= {
            demo.titles[item - 1] for item in np.searchsorted(demo.item_ids, found.items[rows])
        }


def test_a_log_that_was_cut_off_is_read(tmp_path: Path) -> None:
    def lines() -> Iterator[str]:
        for step in range(1000):
            yield json.dumps({"stage": "s", "step": step, "event": "step", "loss": 1.0 + step % 2, "epoch": step / 10})
        yield json.dumps({"stage": "s", "step": 999, "event": "evaluated", "split": "valid", "epoch": 99.9, "auc": 0.6})

    (tmp_path / "log.jsonl").write_text("\n".join(lines()) + '\n{"stage": "s", "st')
    validated, losses = read_log(tmp_path / "log.jsonl")["s"]
    assert validated == [(99.9, {"auc": 0.6})]
    curve = smooth(losses)
    assert len(curve) == PIECES
    assert curve[-1][0] == 99.9
    assert np.mean([loss for _, loss in curve]) == pytest.approx(1.5, abs=0.01)


@pytest.mark.usefixtures("undrawn")
def test_the_command(
    reported: dict[str, Path], builtins: Plugins, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(reported["likes"].parent.parent, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    monkeypatch.setattr(DRAWS, 20)
    names = [reported[name].name for name in ("likes", "means")]

    def srl(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["report", *arguments])

    own = Path("runs") / names[0] / "report.html"
    assert own.read_text().startswith("<!doctype html>"), "srl run leaves it"
    own.unlink()
    done = srl(names[0])
    assert done.stdout.strip() == str(own), done.exception
    assert own.is_file()
    both = srl(*names).stdout.strip()
    assert re.fullmatch(r"runs/comparison-\w{6}\.html", both)
    (tmp_path / "place" / "runs" / "suite").mkdir()
    (tmp_path / "place" / "runs" / "suite" / "comparison.json").write_text(json.dumps(compared(reported, builtins)))
    assert srl("runs/suite").stdout.strip() == "runs/suite/report.html"
    assert "Each minus likes" in Path("runs/suite/report.html").read_text()
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: bool(opened.append(url)))
    done = srl("means", "--out", "mine.html", "--open")
    assert opened == [(tmp_path / "place" / "mine.html").as_uri()]
    assert "there is no browser" in done.output
    assert isinstance(srl(names[0], reported["next"].name).exception, RunError)
