"""The leaderboard: what it reads, what it marks, and the page in a browser."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from scripts.leaderboard import COLUMNS, MEASURES, PAGE, RESULTS, Entry, entries, html
from tests.browser import Watch, chromium, needs_chromium

from scaat.errors import InputError

if TYPE_CHECKING:
    from playwright.sync_api import Page

MEANS = """\
data,saliency,seeds,method,accuracy,auc,aopc_lerf,aopc_morf,blocks_lerf,blocks_morf,cost
cells,gradient,3,scaat,0.9,nan,-0.001,0.3,0.002,0.4,2.5
cells,gradient,3,standard,0.8,nan,0.2,0.3,0.1,0.2,1
cells,smoothgrad,3,standard,0.8,nan,0.2,0.3,0.1,0.2,1
"""
OUTSIDE = """\
data,model,method,saliency,seeds,measure,value,low,high,n
cells,small-resnet,scaat,gradient,3,road,0.25,0.2,0.3,600
cells,small-resnet,scaat,forgrad,3,road,0.5,0.4,0.6,600
cells,small-resnet,scaat,gradient,3,Quantus: sparseness,0.7,0.6,0.8,600
"""
THEIRS = f"{OUTSIDE.splitlines()[0]},chosen_on\nCIFAR-10,resnet18,<b>Theirs</b>,gradient,"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder of one study of means, with measures by others."""
    study = tmp_path / "study"
    (study / "cells").mkdir(parents=True)
    (study / "means.csv").write_text(MEANS)
    (study / "cells" / "measures.csv").write_text(OUTSIDE)
    (study / "else.csv").write_text("data,seed\ncells,1\n")
    return tmp_path


def with_theirs(results: Path, cells: str) -> list[Entry]:
    """Return the entries of the folder with one by others."""
    (results / "theirs").mkdir()
    (results / "theirs" / "entry.csv").write_text(f"{THEIRS}{cells}\n")
    return entries(results)


def test_means_and_measures_by_others_of_a_study_share_a_row(results: Path) -> None:
    ours, standard = entries(results)
    assert (ours.data, ours.network) == ("Blood cells, 48 px", "small-resnet")
    assert (ours.training, standard.training) == ("SCAAT", "Standard")
    assert ours.measures["accuracy"].value == 0.9
    assert ours.measures["aopc_rel"].value is None  # LeRF is not above zero
    assert ours.measures["blocks_rel"].value == pytest.approx(200)
    assert ours.measures["road"].bounds == (0.2, 0.3)
    assert ours.measures["Quantus: sparseness"].value == 0.7
    assert ours.measures["cost_ratio"].value == 2.5
    assert "auc" not in ours.measures
    assert ours.faults == standard.faults == ["no intervals"]


def test_an_entry_by_others_counts(results: Path) -> None:
    *_, theirs = board = with_theirs(results, "3,gini,0.6,0.5,0.7,900,validation")
    assert theirs.faults == []
    page = html(board)
    assert ">&lt;b&gt;Theirs&lt;/b&gt;<div>" in page
    assert '<td data-by="0.6">0.600<small>[0.500, 0.700]</small></td>' in page


def test_what_an_entry_misses_is_named(results: Path) -> None:
    *_, theirs = board = with_theirs(results, "1,gini,0.6,,,900,test")
    assert theirs.faults == ["1 seed", "no interval of Gini index", "chosen on test"]
    assert "<small>chosen on test</small></div></th>" in html(board)


def test_an_undefined_ratio_is_measured_and_the_highest(results: Path) -> None:
    *_, theirs = board = with_theirs(results, "3,aopc_rel,,120,,900,validation")
    assert theirs.faults == []
    assert '<td data-by="Infinity">LeRF ≤ 0<small>[120, unbounded]</small></td>' in html(board)


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        ("3,gini,0.6,half,0.7,900,validation", "low is 'half'"),
        ("3,gini,nan,0.5,0.7,900,validation", "value is 'nan'"),
        ("three,gini,0.6,0.5,0.7,900,validation", "seeds is 'three'"),
        ("3,gini,0.6,0.5,0.7,many,validation", "n is 'many'"),
    ],
)
def test_a_cell_that_is_no_number_is_refused(cells: str, what: str, results: Path) -> None:
    with pytest.raises(InputError, match=f"entry.csv: {what}, expected a number"):
        with_theirs(results, cells)


def test_one_measure_chosen_on_test_images_marks_the_entry(results: Path) -> None:
    first = "3,gini,0.6,0.5,0.7,900,validation"
    second = "CIFAR-10,resnet18,<b>Theirs</b>,gradient,3,accuracy,0.9,0.8,1,900,test"
    *_, theirs = with_theirs(results, f"{first}\n{second}")
    assert theirs.faults == ["chosen on test"]


def test_the_template_asks_for_every_column() -> None:
    with (PAGE.parent / "template.csv").open(newline="") as file:
        reader = csv.DictReader(file)
        assert [row["measure"] for row in reader] == list(COLUMNS)
        assert set(reader.fieldnames or ()) == MEASURES | {"chosen_on"}


@pytest.mark.slow
def test_the_page_is_made_from_the_results() -> None:
    assert html(entries(RESULTS)) == PAGE.read_text(), "run python scripts/leaderboard.py"


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_page()
        watch = Watch(page)
        watch.open(PAGE)
        yield page
        assert watch.complaints == []
        assert watch.requests == [PAGE.as_uri()]


def column(page: Page, name: str) -> list[float]:
    """Return what a column's visible cells sort by; cells without a value must be the last."""
    heads = [" ".join(text.split()) for text in page.locator("thead th").all_inner_texts()]
    place = heads.index(name)
    cells = page.locator(f"tbody tr:visible td:nth-child({place + 1})")
    values = cells.evaluate_all("cells => cells.map((cell) => parseFloat(cell.dataset.by))")
    measured = [value for value in values if value == value]
    assert all(value == value for value in values[: len(measured)])
    return measured


@needs_chromium
@pytest.mark.slow
def test_sorts_by_click_and_by_keyboard_and_filters(page: Page) -> None:
    gini = page.get_by_role("button", name="Gini index ↑")
    head = page.locator("th", has=gini)
    gini.click()
    assert head.get_attribute("aria-sort") == "descending"  # the best first
    values = column(page, "Gini index ↑")
    assert values == sorted(values, reverse=True)
    assert len(values) > 50
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, "Gini index ↑") == values[::-1]

    auc = page.get_by_role("button", name="AUC ↑")
    auc.focus()
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") is None
    measured = column(page, "AUC ↑")
    assert measured == sorted(measured, reverse=True)

    every = page.locator("tbody tr:visible").count()
    page.get_by_label("Data").select_option("Tiny ImageNet, 20 classes")
    for text in page.locator("tbody tr:visible td:nth-child(2)").all_inner_texts():
        assert text.startswith("Tiny ImageNet, 20 classes")
    some = page.locator("tbody tr:visible").count()
    assert page.get_by_role("status").inner_text().startswith(f"{some} of {every} entries, by AUC")
    page.get_by_label("only entries").check()
    assert 0 < page.locator("tbody tr:visible").count() < some
    assert page.locator("tbody tr:visible th small").count() == 0


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1440])
def test_the_table_alone_scrolls_sideways(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    name = page.locator("tbody th").first
    before = name.bounding_box()
    page.locator(".scroll").evaluate("e => e.scrollLeft = 300")
    assert name.bounding_box() == before  # it stays beside its numbers
    assert before is not None
    assert before["width"] < 0.45 * width
