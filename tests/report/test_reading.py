"""Reading results: what is read, and one clear sentence for each fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaat.errors import InputError
from scaat.report import read_results, write_report

Content = dict[str, Any]


def test_rows_are_read_as_written(folder: Path, content: Content) -> None:
    results = read_results(folder)
    assert len(results.rows) == len(content["rows"]) == 9
    for row, written in zip(results.rows, content["rows"], strict=True):
        assert (row.data, row.model, row.seed) == ("made-up", "tiny", 0)
        assert (row.method, row.attribution) == (written["method"], written["attribution"])
        assert row.metrics["auc"] is None
        entropy = row.metrics["entropy"]
        assert entropy is not None
        assert {"value": entropy.value, "low": entropy.low, "high": entropy.high, "n": 60} == (
            written["entropy"]
        )
        np.testing.assert_array_equal(row.lerf.high, written["curves"]["lerf"]["high"])
        np.testing.assert_array_equal(row.fraction, written["curves"]["fraction"])
    assert results.comparisons[0].class_name(1) == "tumour"
    assert results.comparisons[0].class_name(7) == "7"


def test_rows_of_other_data_or_seed_are_not_compared(
    make_folder: Callable[..., Path], content: Content
) -> None:
    for row in content["rows"][3:]:
        row["seed"] = 1
    content["rows"][-1]["data"] = "other"
    comparisons = read_results(make_folder(content)).comparisons
    assert [(c.data, c.seed, len(c.rows)) for c in comparisons] == [
        ("made-up", 0, 3),
        ("made-up", 1, 5),
        ("other", 1, 1),
    ]


def test_arrays_are_those_of_the_row(folder: Path) -> None:
    results = read_results(folder)
    (source,) = results.sources
    examples = source.examples()
    assert examples is not None
    assert examples.images.shape == (6, 3, 24, 24)
    with np.load(folder / "examples.npz") as stored, np.load(folder / "per_image.npz") as values:
        maps = source.example_maps(4, examples)
        assert maps is not None
        np.testing.assert_array_equal(maps.maps, stored["4/maps"])
        np.testing.assert_array_equal(maps.probability, stored["4/probability"])
        entropies = source.per_image(8, "entropy")
        np.testing.assert_array_equal(entropies, values["8/entropy"])
    assert source.per_image(0, "no-such-metric") is None


def _set(path: str, value: Any) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        *parents, last = path.split(".")
        node: Any = content
        for parent in parents:
            node = node[int(parent)] if parent.isdigit() else node[parent]
        if value is ...:
            del node[last]
        else:
            node[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("schema", 2, "schema is 2, expected 1"),
        ("schema", ..., "key 'schema' is missing"),
        ("rows", [], "rows is empty"),
        ("environment", None, "environment is None, expected a mapping"),
        ("settings", ..., "key 'settings' is missing"),
        ("classes", "0", "classes is '0'"),
        ("rows.1.method", "", r"rows\[1\].method is '', expected a name"),
        ("rows.1.method", ..., r"key 'rows\[1\].method' is missing"),
        ("rows.2.seed", 0.5, r"rows\[2\].seed is 0.5, expected a whole number"),
        ("rows.0.entropy", ..., r"key 'rows\[0\].entropy' is missing"),
        ("rows.0.entropy", 5.0, r"rows\[0\].entropy is 5.0, expected a mapping"),
        ("rows.0.entropy.value", "5", r"rows\[0\].entropy.value is '5'"),
        ("rows.0.entropy.value", None, r"rows\[0\].entropy.value is None"),
        ("rows.0.entropy.value", float("nan"), r"rows\[0\].entropy.value is nan"),
        ("rows.0.entropy.value", True, r"rows\[0\].entropy.value is True"),
        ("rows.0.entropy.low", 99.0, r"rows\[0\].entropy.low is 99.0, expected at most"),
        ("rows.0.entropy.n", ..., r"key 'rows\[0\].entropy.n' is missing"),
        ("rows.0.aopc_rel.unbounded", "yes", r"rows\[0\].aopc_rel.unbounded is 'yes'"),
        ("rows.0.train_seconds", "fast", r"rows\[0\].train_seconds is 'fast'"),
        ("rows.0.curves.lerf.low", [0.0], r"rows\[0\].curves.lerf.low has 1 values, expected 20"),
        ("rows.0.curves.fraction", [], r"rows\[0\].curves.fraction is \[\]"),
        ("rows.0.attribution", "smoothgrad", r"rows\[1\] repeats rows\[0\]"),
    ],
)
def test_a_fault_is_named_with_file_and_key(
    make_folder: Callable[..., Path], content: Content, path: str, value: Any, named: str
) -> None:
    folder = make_folder(content)
    _set(path, value)(content)
    (folder / "results.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=named) as caught:
        write_report(read_results(folder), folder)
    assert str(folder / "results.json") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (folder / "report.html").exists()
    assert not (folder / "tables").exists()


def test_no_folder_and_no_json(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"results.json doesn't exist"):
        read_results(tmp_path / "nowhere")
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(InputError, match="can't be read as JSON"):
        read_results(tmp_path)


def _examples(**changed: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with np.load(folder / "examples.npz") as stored:
            arrays = dict(stored)
        np.savez(folder / "examples.npz", **(arrays | changed))

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_examples(images=np.zeros((6, 3, 24, 24))), "array 'images' is float64"),
        (_examples(labels=np.zeros(5)), r"array 'labels' has shape \(5,\), expected \(6,\)"),
        (_examples(**{"0/maps": np.zeros((6, 24, 23))}), "array '0/maps' has shape"),
        (_examples(**{"0/maps": np.full((6, 24, 24), -1.0)}), "array '0/maps' holds negative"),
        (lambda folder: (folder / "examples.npz").write_bytes(b"PK"), "examples.npz can't be read"),
        (
            lambda folder: np.savez(folder / "per_image.npz", **{"0/entropy": np.array([np.nan])}),
            "array '0/entropy'",
        ),
    ],
)
def test_faulty_arrays_leave_nothing_behind(
    folder: Path, change: Callable[[Path], None], named: str
) -> None:
    change(folder)
    with pytest.raises(InputError, match=named):
        write_report(read_results(folder), folder)
    assert not (folder / "report.html").exists()
    assert not (folder / "figures").exists()
