"""The page in a real browser: no complaint, no request, and controls that work by any means."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.report.browser import CHROMIUM, Page, chromium

from scaat.report import read_results, write_report

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here")

HOSTILE = "<script>document.title = 'owned'</script>"
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
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(tab: Page, report: Path) -> Page:
    tab.media()
    tab.size(1440, 900)
    tab.open(report)
    return tab


def blend(page: Page) -> str:
    shown = "getComputedStyle(document.querySelector('.gallery')).getPropertyValue('--blend')"
    return str(page.evaluate(shown)).strip()


def opacity(page: Page) -> float:
    heat = "document.querySelector('.sheet:not([hidden]) .tile:not([hidden]) img.heat')"
    return float(page.evaluate(f"getComputedStyle({heat}).opacity"))


def seen(page: Page, selector: str) -> int:
    """How many elements have a place on the page."""
    return int(
        page.evaluate(
            f"[...document.querySelectorAll({json.dumps(selector)})]"
            ".filter(e => e.offsetParent).length"
        )
    )


def test_loads_in_silence_and_asks_for_nothing(page: Page, report: Path) -> None:
    assert page.complaints() == []
    assert page.requested() == [report.as_uri()]


def test_hostile_names_are_text(page: Page) -> None:
    assert page.evaluate("document.title") != "owned"
    said = page.evaluate("document.querySelector('.tile:not([data-method]) > span').innerText")
    assert said == HOSTILE
    assert page.evaluate(f"document.title.includes({json.dumps(HOSTILE)})")
    assert page.evaluate("document.querySelectorAll('script').length") == 1


def test_the_slider_works_by_keyboard(page: Page) -> None:
    page.evaluate(f"document.querySelector('{SLIDER}').focus()")
    before, faint = blend(page), opacity(page)
    page.key("ArrowRight", 39)
    assert float(blend(page)) == pytest.approx(float(before) + 0.05)
    page.key("Home", 36)
    assert float(blend(page)) == 0
    assert opacity(page) < faint
    assert page.evaluate("document.querySelector('.gallery output').value") == "image only"


def test_the_slider_works_by_mouse(page: Page) -> None:
    left, top, width, height = page.place(SLIDER)
    for kind in ("mousePressed", "mouseReleased"):
        page.mouse(kind, left + 0.98 * width, top + height / 2)
    assert float(blend(page)) >= 0.9


def test_methods_switch_by_mouse_and_saliency_methods_by_keyboard(page: Page) -> None:
    everything = seen(page, ".gallery .tile[data-method]")
    page.click(f"label:has({METHOD.removeprefix('.gallery ')}[value='1'])")
    chosen = seen(page, ".gallery .tile[data-method]")
    assert chosen == seen(page, ".gallery .tile[data-method='1']")
    assert 0 < chosen < everything
    first = page.evaluate("document.querySelector('.sheet:not([hidden])').dataset.sheet")
    page.evaluate(f"document.querySelector('{SHEET}:checked').focus()")
    page.key("ArrowRight", 39)
    second = page.evaluate("document.querySelector('.sheet:not([hidden])').dataset.sheet")
    assert (first, second) == ("0", "1")


def test_without_scripts_every_map_is_there(tab: Page, report: Path) -> None:
    tab.size(1440, 900)
    tab.open(report, scripts=False)
    tab.call("Emulation.setScriptExecutionDisabled", value=False)
    assert seen(tab, ".sheet") >= 3
    assert seen(tab, ".controls") == 0


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_of_the_page(page: Page, width: int, scheme: str) -> None:
    page.size(width, 900)
    page.media(scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_print_shows_all_sheets_without_controls(page: Page) -> None:
    page.media("print")
    assert seen(page, ".controls") == 0
    assert seen(page, ".sheet") >= 1
