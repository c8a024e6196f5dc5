"""The page in a real browser: no complaint, no request, and controls that work by any means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.browser import Watch, chromium, needs_chromium

from scaat.report import read_results, write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

pytestmark = [pytest.mark.slow, needs_chromium]

HOSTILE = "<script>document.title = 'owned'</script>"
DESK: ViewportSize = {"width": 1440, "height": 900}
SLIDER = ".gallery input[type=range]"
METHOD = ".gallery input[data-choice=method]"
SHEET = ".gallery input[data-choice=sheet]"


@pytest.fixture(scope="module")
def report(
    tmp_path_factory: pytest.TempPathFactory,
    write_folder: Callable[..., Path],
    results_content: Callable[..., dict[str, Any]],
) -> Path:
    content = results_content()
    content["classes"] = [HOSTILE, "b", "c"]
    for row in content["rows"]:
        row["data"] = row["model"] = HOSTILE
        if row["attribution"] == "smoothgrad":
            row["attribution"] = HOSTILE
        if row["method"] == "saliency-guided":
            row["method"] = HOSTILE
    content["trainings"] = [
        {
            **{key: content["rows"][0][key] for key in ("data", "model", "seed")},
            "method": "scaat",
            "epoch": [1, 2],
            "curves": {"loss": [1.0, 0.5], "val_accuracy": [0.5, None]},
        }
    ]
    folder = write_folder(tmp_path_factory.mktemp("page") / "run", content)
    with np.load(folder / "examples.npz") as stored:
        arrays = dict(stored)
    arrays |= {
        "6/ordered_images": arrays["images"],
        "6/ordered_labels": arrays["labels"],
        "6/ordered_proportion": np.linspace(0.1, 0.9, 6),
        "6/ordered_maps": arrays["6/maps"],
        "6/ordered_index": np.arange(6),
    }
    np.savez(folder / "examples.npz", **arrays)
    return write_report(read_results(folder), folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    page = browser.new_page(viewport=DESK)
    page.goto(report.as_uri())
    yield page
    page.close()


def blend(page: Page) -> float:
    gallery = page.locator(".gallery").first
    return float(gallery.evaluate("e => getComputedStyle(e).getPropertyValue('--blend')"))


def opacity(page: Page) -> float:
    heat = page.locator(".sheet:not([hidden]) .tile:not([hidden]) img.heat").first
    return float(heat.evaluate("e => getComputedStyle(e).opacity"))


def visible(page: Page, selector: str) -> int:
    """How many of the elements are visible."""
    return page.locator(f"{selector}:visible").count()


def test_loads_without_complaints_or_requests(browser: Browser, report: Path) -> None:
    page = browser.new_page()
    watch = Watch(page)
    watch.open(report)
    assert watch.complaints == []
    assert [url for url in watch.requests if not url.startswith("data:")] == [report.as_uri()]
    page.close()


def test_hostile_names_are_text(page: Page) -> None:
    assert page.title() != "owned"
    assert HOSTILE in page.title()
    assert page.locator(".tile:not([data-method]) > span").first.inner_text() == HOSTILE
    assert page.locator("script").count() == 1


def test_the_slider_works_by_keyboard(page: Page) -> None:
    page.locator(SLIDER).first.focus()
    before, faint = blend(page), opacity(page)
    page.keyboard.press("ArrowRight")
    assert blend(page) == pytest.approx(before + 0.05)
    page.keyboard.press("Home")
    assert blend(page) == 0
    assert opacity(page) < faint
    assert page.locator(".gallery output").first.inner_text() == "image only"


def test_the_slider_works_by_mouse(page: Page) -> None:
    slider = page.locator(SLIDER).first
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    slider.click(position={"x": 0.98 * box["width"], "y": box["height"] / 2})
    assert blend(page) >= 0.9


def test_methods_switch_by_mouse_and_saliency_methods_by_keyboard(page: Page) -> None:
    everything = visible(page, ".gallery .tile[data-method]")
    page.locator(f"label:has({METHOD.removeprefix('.gallery ')}[value='1'])").first.click()
    chosen = visible(page, ".gallery .tile[data-method]")
    assert chosen == visible(page, ".gallery .tile[data-method='1']")
    assert 0 < chosen < everything
    sheet = page.locator(".sheet:visible").first
    first = sheet.get_attribute("data-sheet")
    page.locator(f"{SHEET}:checked").first.focus()
    page.keyboard.press("ArrowRight")
    assert (first, sheet.get_attribute("data-sheet")) == ("0", "1")


def test_without_scripts_every_map_is_there(browser: Browser, report: Path) -> None:
    page = browser.new_page(viewport=DESK, java_script_enabled=False)
    page.goto(report.as_uri())
    assert visible(page, ".sheet") >= 3
    assert visible(page, ".controls") == 0
    page.close()


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_of_the_page(page: Page, width: int, scheme: Any) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_print_shows_all_sheets_without_controls(page: Page) -> None:
    page.emulate_media(media="print")
    assert visible(page, ".controls") == 0
    assert visible(page, ".sheet") >= 1
