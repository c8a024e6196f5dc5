"""The documentation's site: it builds strictly, stands alone, and leaves nothing public out."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from docs.scripts.declared import identifier
from nbclient import NotebookClient
from tests.browser import Watch, chromium, needs_chromium

from scaat.cli.commands import cli
from scaat.objectives import objectives

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "notebooks" / "quickstart.ipynb"
PHONE, DESK = 390, 1440

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a broken link or anchor, or a page outside the nav, fails its build."""
    folder = tmp_path_factory.mktemp("documentation") / "site"
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


class Resources(HTMLParser):
    """Collects what a page loads, and the names of its places."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.places.add(values["id"])
        if tag == "link" and values.get("rel") not in ("canonical", "prev", "next"):
            self.loaded.append(values.get("href", ""))
        elif tag != "a":
            self.loaded += [values[name] for name in ("src", "data", "poster") if name in values]


def resources(page: Path) -> Resources:
    found = Resources()
    found.feed(page.read_text())
    return found


def test_nothing_comes_from_elsewhere(site: Path) -> None:
    """Pages and style sheets load files of the site alone."""
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        for address in resources(page).loaded:
            assert not re.match(r"(https?:)?//", address), f"{page.name} loads {address}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", sheet.read_text()), sheet


@pytest.mark.parametrize(
    "package", ["functional", "metrics", "objectives", "attribution", "sharing"]
)
def test_every_public_name_has_its_reference(site: Path, package: str) -> None:
    places = resources(site / "reference" / f"{package}.html").places
    names = importlib.import_module(f"scaat.{package}").__all__
    missing = [name for name in names if identifier(f"scaat.{package}", name) not in places]
    assert not missing


def test_every_command_has_its_reference(site: Path) -> None:
    text = (site / "reference" / "command-line.html").read_text()
    for name in cli.commands:
        assert f'id="scaat-{name}"' in text
    assert "--scaat.epsilon NUMBER" in text


@pytest.mark.parametrize("name", list(objectives))
def test_every_training_method_has_a_card(site: Path, name: str) -> None:
    """The card says what the method costs, and stands in the nav."""
    card = ROOT / "docs" / "objectives" / f"{name}.md"
    assert "**Cost.**" in card.read_text()
    assert f'href="{name}.html"' in (site / "objectives" / "index.html").read_text()


def test_the_notebook_runs(tmp_path: Path) -> None:
    """With an epoch and few images; its stored outputs stay small."""
    assert NOTEBOOK.stat().st_size < 100_000
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert any(cell.get("outputs") for cell in notebook.cells)
    for cell in notebook.cells:
        cell.source = cell.source.replace("EPOCHS = 8", "EPOCHS = 1").replace("(40)", "(4)")
    assert "EPOCHS = 1" in notebook.cells[1].source
    NotebookClient(
        notebook, timeout=600, coalesce_streams=True, resources={"metadata": {"path": tmp_path}}
    ).execute()
    assert "LeRF" in notebook.cells[-2].outputs[0].text


@needs_chromium
def test_pages_fit_and_the_search_works_from_the_disk(site: Path) -> None:
    """No page is wider than its window, complains, or requests anything but its own files."""
    pages = sorted(set(site.rglob("*.html")) - {site / "404.html"})  # that one is for servers
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        watch = Watch(page)
        for width in (PHONE, DESK):
            page.set_viewport_size({"width": width, "height": 900})
            for path in pages:
                watch.open(path)
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, f"{path.relative_to(site)} is {wide} wide at {width}"
                assert watch.complaints == [], path.relative_to(site)
                assert all(url.startswith("file://") for url in watch.requests), watch.requests
        watch.open(site / "index.html")
        page.locator(".md-search__input").press_sequentially("proportion")
        page.locator(".md-search-result__item").nth(2).wait_for(state="attached")
