"""What a file may hold beyond the required: shown where it is there, refused where it is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.report.full import METRICS, add_arrays, add_everything

from scaat.errors import InputError
from scaat.report import read_results, write_report
from scaat.report.compare import difference
from scaat.report.tables import csv_files

Content = dict[str, Any]


@pytest.fixture
def full(make_folder: Callable[..., Path], content: Content) -> Path:
    folder = make_folder(add_everything(content))
    add_arrays(folder, content)
    return folder


def test_everything_is_shown_and_drawn(full: Path) -> None:
    html = write_report(read_results(full), full).read_text(encoding="utf-8")
    for caption in (
        "Further measures of sparsity, faithfulness and localisation",
        "Lattices: sparse and faithful pixel by pixel alone?",
        "Localisation against the annotated regions",
        "Stability under small changes of the image",
        "Sanity: maps of models that have learnt nothing",
        "Training samples by their final proportion",
        "Training, epoch by epoch",
        "Lattice of SCAAT: period 2 pixels, made by layer &#39;stem&#39; (Conv2d); the mean",
        "Insertion and deletion, the most relevant pixels first",
        "Weights are randomised from the output",
    ):
        assert caption in html
    figures = {path.stem for path in (full / "figures").glob("*.png")}
    assert {"insertion-deletion", "randomisation", "training", "proportions-scaat"} <= figures
    for name in ("further", "lattice", "localisation", "stability", "sanity"):
        assert (full / "tables" / f"{name}.tex").is_file()
    for key in METRICS:
        assert f"{key}_value" in csv_files(read_results(full))["comparison.csv"]


def test_a_metric_that_no_row_has_is_in_no_table(
    make_folder: Callable[..., Path], content: Content
) -> None:
    content["rows"] = content["rows"][::3]
    for row in content["rows"]:
        row["hoyer"] = None
    folder = make_folder(content)
    html = write_report(read_results(folder), folder).read_text(encoding="utf-8")
    assert "Hoyer" not in html
    assert "Further measures" not in html
    assert not (folder / "tables" / "further.md").exists()


def test_images_without_a_value_are_left_out_of_a_difference(full: Path) -> None:
    (comparison,) = read_results(full).comparisons
    pointing = difference(comparison, "pointing_game", "gradient", "scaat", "standard")
    hoyer = difference(comparison, "hoyer", "gradient", "scaat", "standard")
    assert pointing is not None
    assert hoyer is not None
    assert (pointing.n, hoyer.n) == (59, 60)
    # The intervals of the two means overlap by far; image by image they are told apart.
    assert hoyer.value == pytest.approx(0.02, abs=0.001)
    assert hoyer.low is not None
    assert hoyer.low > 0.015


def test_images_are_paired_by_their_position(full: Path) -> None:
    """One method measured on half the images, in another order: only those are compared."""
    with np.load(full / "per_image.npz") as stored:
        values = dict(stored)
    order = np.random.default_rng(0).permutation(60)[:30]
    expected = (values["6/gini"][order] - values["0/gini"][order]).mean()
    for name in [name for name in values if name.startswith("6/")]:
        values[name] = values[name][order]
    np.savez(full / "per_image.npz", **values)
    (comparison,) = read_results(full).comparisons
    actual = difference(comparison, "gini", "gradient", "scaat", "standard")
    assert actual is not None
    assert actual.n == 30
    assert actual.value == pytest.approx(expected)
    back = difference(comparison, "gini", "gradient", "standard", "scaat")
    assert back is not None
    assert (back.value, back.low, back.high) == (-actual.value, -actual.high, -actual.low)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: c["rows"][0].update(hoyer=0.5), r"rows\[0\].hoyer is 0.5, expected a mapping"),
        (lambda c: c["rows"][0]["iou"].update(low=2.0), r"rows\[0\].iou.low is 2.0"),
        (lambda c: c["rows"][0]["insertion_deletion"].pop("deletion"), "insertion_deletion.delet"),
        (
            lambda c: c["rows"][1]["randomisation"]["layers"].pop(),
            r"rows\[1\].randomisation.correlation.value has 6 values, expected 5",
        ),
        (lambda c: c.update(trainings={}), "trainings is {}, expected a list"),
        (lambda c: c.update(trainings=[1]), r"trainings\[0\] is 1, expected a mapping"),
        (lambda c: c["trainings"][0].pop("epoch"), r"key 'trainings\[0\].epoch' is missing"),
        (
            lambda c: c["trainings"][2]["curves"].update(loss=[1.0, "a"]),
            r"trainings\[2\].curves.loss\[1\] is 'a', expected a finite number",
        ),
    ],
)
def test_a_faulty_addition_is_named(
    make_folder: Callable[..., Path],
    content: Content,
    change: Callable[[Content], object],
    named: str,
) -> None:
    folder = make_folder(content)
    change(add_everything(content))
    (folder / "results.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=named) as caught:
        read_results(folder)
    assert str(folder / "results.json") in str(caught.value)


@pytest.mark.parametrize(
    ("name", "array", "named"),
    [
        ("6/ordered_proportion", np.full(8, 1.5), "'6/ordered_proportion' holds values outside"),
        ("6/ordered_labels", np.zeros(3), r"'6/ordered_labels' has shape \(3,\), expected \(8,\)"),
        ("6/ordered_images", np.zeros((8, 3, 24, 24)), "'6/ordered_images' is float64"),
        ("6/ordered_maps", np.full((8, 24, 24), np.nan), "'6/ordered_maps' holds negative or"),
    ],
)
def test_faulty_ordered_samples_are_named(
    full: Path, name: str, array: np.ndarray[Any, Any], named: str
) -> None:
    with np.load(full / "examples.npz") as stored:
        arrays = dict(stored)
    np.savez(full / "examples.npz", **(arrays | {name: array}))
    row = read_results(full).rows[6]
    with pytest.raises(InputError, match=named) as caught:
        row.source.ordered(row.index)
    assert str(full / "examples.npz") in str(caught.value)
