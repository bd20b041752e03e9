"""The page in a real browser: everything drawn, nothing fetched, nothing to complain of, on a phone and on a desk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sasrec_llm.report.page import EXPECTED

BOXES = """() => Object.fromEntries([...document.querySelectorAll('figure')].map(figure => {
    const box = figure.querySelector('svg').getBoundingClientRect();
    const shapes = [...figure.querySelectorAll('svg path, svg use')].filter(s => s.getBoundingClientRect().width > 0);
    return [figure.id.replace('figure-', ''), [box.width, box.height, shapes.length]];
}))"""
BESIDE = """() => [...document.querySelectorAll('svg.drawing')].flatMap(svg => {
    const frame = svg.getBoundingClientRect();
    return [...svg.querySelectorAll('text')].filter(text => {
        const box = text.getBoundingClientRect();
        return box.left < frame.left - 1 || box.right > frame.right + 1;
    }).map(text => text.textContent);
})"""
FOCUS = "() => document.activeElement.className || document.activeElement.tagName"


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("name", ["one", "next", "several"])
def test_it_is_drawn(browser: Any, pages: dict[str, Path], name: str, width: int, mode: str) -> None:
    sheet, complaints, asked = browser.new_page(), [], []
    sheet.on("console", lambda message: complaints.append(message.text))
    sheet.on("pageerror", lambda error: complaints.append(str(error)))
    sheet.on("request", lambda request: asked.append(request.url))
    sheet.set_viewport_size({"width": width, "height": 800})
    sheet.emulate_media(color_scheme=mode)
    sheet.goto(pages[name].as_uri())
    assert complaints == []
    assert [url for url in asked if not url.startswith("data:")] == [pages[name].as_uri()]
    boxes = sheet.evaluate(BOXES)
    assert set(boxes) == set(EXPECTED) - ({"calibration"} if name == "next" else set())
    for figure, (wide, high, shapes) in boxes.items():
        assert wide > 300, figure
        assert high > 100, figure
        assert shapes > 5, figure
    assert sheet.evaluate(BESIDE) == [], "no text sticks out of its figure"
    assert sheet.evaluate("() => document.documentElement.scrollWidth") <= width
    colour = sheet.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert colour == ("rgb(255, 255, 255)" if mode == "light" else "rgb(19, 23, 26)")
    sheet.close()


def test_by_keyboard_and_by_ear(browser: Any, pages: dict[str, Path]) -> None:
    sheet = browser.new_page()
    sheet.goto(pages["one"].as_uri())
    sheet.keyboard.press("Tab")
    assert sheet.evaluate(FOCUS) == "skip"
    sheet.keyboard.press("Enter")
    assert sheet.url.endswith("#summary")
    for summary in sheet.locator("figure summary").all():
        summary.focus()
        sheet.keyboard.press("Enter")
    assert sheet.locator("figure details[open] table").count() == len(EXPECTED)
    assert sheet.get_by_role("img").count() == len(EXPECTED)
    assert sheet.get_by_role("img", name="Training curves").count() == 1
    assert sheet.get_by_role("table", name="Results, test rows: all").count() == 1
    assert sheet.get_by_role("navigation", name="Contents").get_by_role("link").count() == 9
    assert sheet.get_by_role("columnheader", name="AUC , higher is better").count() >= 1
    sheet.close()


def test_print(browser: Any, pages: dict[str, Path]) -> None:
    sheet = browser.new_page()
    sheet.goto(pages["one"].as_uri())
    sheet.emulate_media(media="print", color_scheme="dark")
    assert sheet.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not sheet.locator("nav").is_visible()
    assert sheet.locator("svg.drawing").first.is_visible()
    assert len(sheet.pdf()) > 20_000
    sheet.close()
