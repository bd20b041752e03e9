"""The page in a real browser: with the mouse, by keyboard, on a phone, in the dark, behind a token."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sasrec_llm import LoadedRun

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
COLOUR = "() => getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=program, args=QUIET
        )
        yield found
        found.close()


@dataclass
class Sheet:
    page: Any
    complaints: list[str]
    asked: list[str]

    def lines(self, of: str) -> list[str]:
        return [line.inner_text() for line in self.page.locator(f"#{of} li").all()]

    def type(self, text: str) -> None:
        self.page.locator("#wanted").press_sequentially(text)
        self.page.locator("#suggestions li").first.wait_for()


@pytest.fixture
def sheet(browser: Any) -> Iterator[Sheet]:
    found = Sheet(browser.new_page(), [], [])
    found.page.on("console", lambda message: found.complaints.append(message.text))
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.page.on("request", lambda request: found.asked.append(request.url))
    yield found
    found.page.close()


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_type_choose_see(sheet: Sheet, server: Any, loaded: LoadedRun, width: int, mode: str) -> None:
    sheet.page.set_viewport_size({"width": width, "height": 800})
    sheet.page.emulate_media(color_scheme=mode)
    sheet.page.goto(server.address)
    sheet.page.get_by_role("status").get_by_text("To somebody of whom nothing is known").wait_for()
    assert len(sheet.lines("results")) == 10
    title = loaded.catalogue.title_of(12)
    sheet.type(title[:5])
    assert title in sheet.lines("suggestions")
    sheet.page.get_by_role("option", name=title, exact=True).click()
    sheet.page.get_by_role("status").get_by_text("10 recommendations").wait_for()
    wanted = loaded.recommend(history=[title], k=10, explain=True)
    first = sheet.lines("results")[0].split("\n")
    assert first[0] == wanted[0].title
    assert first[1] == f"yes {wanted[0].probability:.2f}"
    assert first[2].startswith(f"near {title} (")
    assert sheet.lines("chosen") == [title]
    sheet.page.get_by_role("button", name=f"Remove {title}").click()
    sheet.page.get_by_role("status").get_by_text("To somebody").wait_for()
    assert sheet.lines("chosen") == []
    assert sheet.page.evaluate("() => document.documentElement.scrollWidth") <= width
    assert sheet.page.evaluate(COLOUR) == ("rgb(255, 255, 255)" if mode == "light" else "rgb(19, 23, 26)")
    assert {url.split("/")[2] for url in sheet.asked if not url.startswith("data:")} == {f"localhost:{server.port}"}
    assert sheet.complaints == []


def test_by_keyboard_alone(sheet: Sheet, server: Any) -> None:
    sheet.page.goto(server.address)
    sheet.type("the")
    box = sheet.page.get_by_role("combobox", name="What did they like? The latest last")
    assert box.get_attribute("aria-expanded") == "true"
    offered = sheet.lines("suggestions")
    sheet.page.keyboard.press("ArrowDown")
    assert sheet.page.get_by_role("option", selected=True).inner_text() == offered[1]
    assert box.get_attribute("aria-activedescendant") == "suggestion-1"
    sheet.page.keyboard.press("ArrowUp")
    sheet.page.keyboard.press("ArrowUp")
    sheet.page.keyboard.press("Enter")
    assert sheet.lines("chosen") == [offered[-1]]
    assert box.get_attribute("aria-expanded") == "false"
    sheet.type("a")
    sheet.page.keyboard.press("Escape")
    assert sheet.lines("suggestions") == []
    box.fill("")
    sheet.page.keyboard.press("Tab")
    sheet.page.keyboard.press("Enter")
    assert sheet.lines("chosen") == []
    assert sheet.page.evaluate("() => document.activeElement.id") == "wanted"
    box.press_sequentially("zzzzqqqq")
    sheet.page.get_by_text("No title is like that.").wait_for()
    assert sheet.complaints == []


def test_a_title_is_text_whatever_it_looks_like(
    sheet: Sheet, server: Any, loaded: LoadedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = '<img src=x onerror="document.title=1"><b>Bold</b>'
    monkeypatch.setattr(loaded.catalogue, "title_of", lambda item: evil)
    sheet.page.goto(server.address)
    sheet.page.locator("#results li").first.wait_for()
    assert sheet.lines("results")[0].split("\n")[0] == evil
    sheet.type("the")
    assert sheet.lines("suggestions") == [evil]
    assert sheet.page.locator("img, b").count() == 0
    assert sheet.page.title() == "srl serve"


def test_the_token_is_asked_for(sheet: Sheet, serve: Any) -> None:
    server = serve(token="s3cret")
    sheet.page.goto(server.address)
    field = sheet.page.get_by_label("This server asks for a token")
    field.wait_for()
    assert not sheet.page.locator("#wanted").is_visible()
    field.fill("wrong")
    sheet.page.keyboard.press("Enter")
    sheet.page.get_by_text("a token is needed").wait_for()
    field.fill("s3cret")
    sheet.page.get_by_role("button", name="Go on").click()
    sheet.page.locator("#results li").first.wait_for()
    assert not field.is_visible()
    sheet.page.reload()
    sheet.page.locator("#results li").first.wait_for()


def test_a_server_that_is_gone_is_said(sheet: Sheet, serve: Any) -> None:
    server = serve()
    sheet.page.goto(server.address)
    sheet.page.locator("#results li").first.wait_for()
    server.stop()
    sheet.page.locator("#wanted").press_sequentially("the")
    sheet.page.get_by_text("The server does not answer.").wait_for()
