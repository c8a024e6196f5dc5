"""The files of a report: page, figures, tables; made from results alone and read by anyone."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scaat.display.overlay import display_map
from scaat.display.style import marks
from scaat.report import read_results, write_report
from scaat.report.page import split_settings
from scaat.report.results import flatten

Content = dict[str, Any]

FIGURES = (
    "curves",
    "entropy",
    "examples-gradient",
    "examples-integrated-gradients",
    "examples-smoothgrad",
    "metrics",
)


CHARTS = [name for name in FIGURES if not name.startswith("examples")]


class Page(HTMLParser):
    """Collects tags, attributes and the text that a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._hidden = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._hidden = tag in ("style", "script")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text += data


@pytest.fixture(scope="module")
def report(
    tmp_path_factory: pytest.TempPathFactory,
    write_folder: Callable[..., Path],
    results_content: Callable[..., Content],
) -> Path:
    content = results_content()
    content["classes"] = ["<script>alert(1)</script>", "$x_1", "tumour"]
    content["environment"]["platform"] = '"><img src=x onerror=alert(1)>'
    content["rows"][6]["aopc_rel"] |= {"high": None, "unbounded": True}
    for row in content["rows"]:
        row["data"] = "folder:<script>"
    folder = write_folder(tmp_path_factory.mktemp("report") / "run", content)
    return write_report(read_results(folder), folder)


@pytest.fixture(scope="module")
def page(report: Path) -> Page:
    return Page(report.read_text(encoding="utf-8"))


def test_all_files_are_there_and_no_part_of_one(report: Path) -> None:
    folder = report.parent
    assert report == folder / "report.html"
    names = ("comparison", "performance", "differences")
    tables = {f"{name}.{kind}" for name in names for kind in ("md", "csv", "tex")} | {"long.csv"}
    assert {path.name for path in (folder / "tables").iterdir()} == tables
    assert {path.stem for path in (folder / "figures").glob("*.png")} == set(FIGURES)
    assert not list(folder.rglob("*.part"))


@pytest.mark.parametrize("name", FIGURES)
def test_charts_have_the_page_width_twice_and_no_figure_is_empty(report: Path, name: str) -> None:
    image = Image.open(report.parent / "figures" / f"{name}.png").convert("L")
    assert image.width > 700 if name.startswith("examples") else image.width == 1920
    assert 400 < image.height < 3000
    pixels = np.asarray(image)
    assert 0.01 < (pixels < 250).mean() < 0.99


def test_the_page_loads_nothing(page: Page) -> None:
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"link", "iframe", "object", "embed", "base", "form"}
    scripts = [attributes for tag, attributes in page.tags if tag == "script"]
    assert scripts == [{}]
    (policy,) = (a["content"] for tag, a in page.tags if tag == "meta" and "http-equiv" in a)
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "img-src data:" in policy
    assert "unsafe" not in policy
    for _, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "srcset", "poster", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/", "#"))


def test_hostile_names_are_text(page: Page, report: Path) -> None:
    assert "folder:<script>" in page.text
    assert '"><img src=x onerror=alert(1)>' in page.text
    # The only script is the page's own.
    assert report.read_text(encoding="utf-8").lower().count("<script") == 1


def test_the_page_can_be_read_without_seeing_it(page: Page) -> None:
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    charts = [attributes for attributes in images if attributes.get("class") != "heat"]
    assert len(charts) == len(CHARTS)
    assert all(len(attributes["alt"] or "") > 40 for attributes in charts)
    assert all(attributes["alt"] for attributes in images)
    assert all(attributes.get("scope") for tag, attributes in page.tags if tag == "th")
    tags = [tag for tag, _ in page.tags]
    assert tags.count("caption") == tags.count("table") >= 5
    assert tags.count("h1") == 1
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert all(b <= a + 1 for a, b in pairwise(levels))


def test_the_page_states_what_a_reader_must_know(page: Page) -> None:
    text = " ".join(page.text.split())
    assert "SCAAT’s saliency maps are sparser and more faithful" in text
    assert "20 steps replace up to 20 % of the regions with uniform random pixels" in text
    assert "ratio of the two means" in text
    assert "some intervals are unbounded" in text
    assert "[238, unbounded]" in text
    assert "99th percentile" in text
    assert re.search(r"evaluation\.size_codec\s*png", text)
    assert re.search(r"python\s*3\.12", text)
    assert re.search(r"training\.steps\s*2\s*SCAAT", text)
    assert "They do not cover what another training seed would change" in text


def test_the_best_is_marked_by_more_than_colour(report: Path) -> None:
    html = report.read_text(encoding="utf-8")
    assert len(re.findall(r"<strong>[^<]+<span class=\"unseen\"> \(best\)</span>", html)) >= 18
    assert "▲ better" in html


@pytest.mark.parametrize(
    ("file", "lost", "told"),
    [
        ("per_image.npz", {"entropy"}, "the distribution of saliency entropies, the"),
        ("examples.npz", {n for n in FIGURES if n[:2] == "ex"}, "the example images"),
    ],
)
def test_a_missing_array_file_costs_its_figures_only(
    folder: Path, file: str, lost: set[str], told: str
) -> None:
    (folder / file).unlink()
    page = Page(write_report(read_results(folder), folder).read_text(encoding="utf-8"))
    assert {path.stem for path in (folder / "figures").glob("*.png")} == set(FIGURES) - lost
    assert f"{file} is not in the results folder, so {told}" in page.text
    assert "could not be computed" in page.text


def test_several_comparisons_share_a_page(
    make_folder: Callable[..., Path], content: Content
) -> None:
    for row in content["rows"][3:]:
        row["seed"] = 1
    content["rows"] = content["rows"][:6]
    folder = make_folder(content)
    page = Page(write_report(read_results(folder), folder).read_text(encoding="utf-8"))
    names = {path.stem for path in (folder / "figures").glob("*.png")}
    assert {"1-made-up-tiny-0-curves", "2-made-up-tiny-1-curves"} <= names
    assert len(names) == 12
    assert "made-up, tiny, seed 1" in page.text
    assert [tag for tag, _ in page.tags].count("h1") == 1


def test_gaps_and_extremes_are_drawn(make_folder: Callable[..., Path], content: Content) -> None:
    """One pair not measured, an undefined ratio, two equal values, grey images, no mask."""
    del content["rows"][4]
    content["rows"][0]["aopc_rel"] = {
        "value": None,
        "low": None,
        "high": None,
        "n": 60,
        "unbounded": True,
    }
    content["rows"][1]["aopc_lerf"] = {"value": 0.0, "low": -1e-3, "high": 1e-3, "n": 60}
    folder = make_folder(content)
    with np.load(folder / "examples.npz") as stored:
        arrays = dict(stored)
    arrays["images"] = arrays["images"][:, :1]
    arrays["0/maps"] = np.zeros_like(arrays["0/maps"])
    del arrays["masks"]
    np.savez(folder / "examples.npz", **arrays)
    text = Page(write_report(read_results(folder), folder).read_text(encoding="utf-8")).text
    assert "LeRF ≤ 0" in text
    assert "–" in text
    assert "annotated region" not in text


def test_the_same_results_give_the_same_bytes(report: Path) -> None:
    files = [path for path in report.parent.rglob("*") if path.suffix in {".html", ".png", ".svg"}]
    before = [path.read_bytes() for path in files]
    write_report(read_results(report.parent), report.parent)
    assert [path.read_bytes() for path in files] == before


def test_display_maps_follow_one_rule() -> None:
    values = np.arange(1000.0).reshape(25, 40)
    shown = display_map(values)
    np.testing.assert_allclose(shown, np.minimum(values / np.percentile(values, 99), 1))
    np.testing.assert_allclose(display_map(7 * values), shown)
    sparse = np.zeros((20, 20))
    sparse[3, 4] = 5.0
    assert display_map(sparse).sum() == 1.0
    assert not display_map(np.zeros((4, 4))).any()


def test_a_method_keeps_its_colour_whatever_runs_beside_it() -> None:
    alone, among = marks(["scaat"]), marks(["standard", "new", "scaat"])
    assert alone["scaat"] == among["scaat"]
    assert len(set(among.values())) == 3


def test_settings_are_split_by_what_they_apply_to(folder: Path) -> None:
    shared, differing = split_settings(read_results(folder).rows)
    assert ("training.epochs", "3") in shared
    assert ("evaluation.size_quality", "null") in shared
    assert ("training.steps", "1", "Saliency-guided") in differing
    assert ("attribution.samples", "2", "Integrated Gradients") in differing
    assert flatten({"a": {"b": {}, "c": [1, 2]}, "d": "x"}) == {
        "a.b": "{}",
        "a.c": "[1, 2]",
        "d": "x",
    }


@pytest.mark.slow
def test_the_report_needs_neither_torch_nor_pyplot() -> None:
    code = (
        "import sys, scaat.report; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'matplotlib.pyplot')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
