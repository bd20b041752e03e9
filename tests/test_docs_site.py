"""The built site in a real browser: every page, on a phone and on a desk, asking nothing of other hosts."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.conftest import ROOT


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    pytest.importorskip("zensical", reason="zensical is not installed: make docs")
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copy(ROOT / "zensical.toml", folder)
    subprocess.run([sys.executable, "-m", "zensical", "build", "--strict"], cwd=folder, check=True, capture_output=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder / "site")) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize("width", [375, 1280])
def test_every_page_shows(browser: Any, site: str, width: int) -> None:
    sheet, complaints, asked = browser.new_page(), [], []
    sheet.on("console", lambda message: complaints.append(message.text))
    sheet.on("pageerror", lambda error: complaints.append(str(error)))
    sheet.on("request", lambda request: asked.append(request.url))
    sheet.set_viewport_size({"width": width, "height": 800})
    for path in sorted((ROOT / "docs").glob("*.md")):
        sheet.goto(site if path.stem == "index" else f"{site}{path.stem}/")
        assert sheet.locator("article h1").count() == 1, path.name
        assert sheet.evaluate("() => document.documentElement.scrollWidth") <= width, path.name
    assert complaints == []
    assert [url for url in asked if not url.startswith((site, "data:"))] == []
    sheet.close()


def test_search_finds(browser: Any, site: str) -> None:
    sheet = browser.new_page()
    sheet.goto(site, wait_until="networkidle")
    sheet.locator(".md-search__button").click()
    sheet.get_by_role("combobox").fill("quarantined")
    sheet.get_by_role("listbox").get_by_text("Your own data").first.wait_for()
    sheet.close()
