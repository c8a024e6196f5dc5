"""Several runs in one report: what is compared, pooled, kept apart and refused."""

from __future__ import annotations

import copy
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.report.full import add_per_image

from scaat.display.labels import METRICS
from scaat.errors import InputError
from scaat.report import find_results, read_results, write_report
from scaat.report.compare import difference, pools
from scaat.report.examples import shown_examples
from scaat.report.tables import csv_files, pooled_tables
from scaat.statistics import auc_interval

Content = dict[str, Any]
Write = Callable[..., Path]


@pytest.fixture
def content(content: Content) -> Content:
    """One saliency method is enough here."""
    content["rows"] = [row for row in content["rows"] if row["attribution"] == "gradient"]
    return content


def part(content: Content, method: str, **changed: Any) -> Content:
    """A run of one method."""
    actual = copy.deepcopy(content)
    actual["rows"] = [row | changed for row in actual["rows"] if row["method"] == method]
    return actual


def seeded(content: Content, seed: int) -> Content:
    """The same run with another training seed."""
    actual = copy.deepcopy(content)
    for row in actual["rows"]:
        row["seed"] = seed
    return actual


def number_images(folder: Path) -> None:
    with np.load(folder / "per_image.npz") as stored:
        values = dict(stored)
    rows = {name.partition("/")[0] for name in values}
    np.savez(folder / "per_image.npz", **values, **{f"{i}/index": np.arange(60) for i in rows})


def test_methods_trained_apart_are_compared(
    tmp_path: Path, content: Content, write_folder: Write
) -> None:
    # The one as a results folder, the other as a run with its results in evaluation/.
    runs = [tmp_path / "first", tmp_path / "second"]
    for run, method in zip(runs, ("standard", "scaat"), strict=True):
        inner = run if method == "standard" else run / "evaluation"
        number_images(write_folder(inner, part(content, method)))
    assert find_results(runs[1]) == runs[1] / "evaluation"
    results = read_results(*runs)
    (comparison,) = results.comparisons
    assert comparison.methods == ("standard", "scaat")
    assert [source.label for source in results.sources] == ["first", "second"]
    actual = difference(comparison, "entropy", "gradient", "scaat", "standard")
    with (
        np.load(runs[0] / "per_image.npz") as first,
        np.load(runs[1] / "evaluation" / "per_image.npz") as second,
    ):
        expected = (second["0/entropy"] - first["0/entropy"]).mean()
    assert actual is not None
    assert actual.value == pytest.approx(expected)
    shown = shown_examples(comparison)
    assert shown is not None
    assert len(shown.maps) == 2
    out = tmp_path / "out"
    html = write_report(results, out).read_text(encoding="utf-8")
    assert "Environment of first" in html
    assert "Environment of second" in html
    assert not (runs[0] / "report.html").exists()


def test_images_that_runs_do_not_share_are_not_shown_side_by_side(
    tmp_path: Path, content: Content, write_folder: Write
) -> None:
    runs = [
        write_folder(tmp_path / method, part(content, method)) for method in ("standard", "scaat")
    ]
    with np.load(runs[1] / "examples.npz") as stored:
        arrays = dict(stored)
    order = [3, 1, 5]  # fewer, in another order, and one of them changed
    changed = {name: array[order] for name, array in arrays.items()}
    changed["images"][2] = 255 - changed["images"][2]
    np.savez(runs[1] / "examples.npz", **changed)
    (comparison,) = read_results(*runs).comparisons
    shown = shown_examples(comparison)
    assert shown is not None
    np.testing.assert_array_equal(shown.images.images, arrays["images"][[1, 3]])
    np.testing.assert_array_equal(shown.maps["scaat", "gradient"].maps, arrays["0/maps"][[1, 3]])
    assert shown.without == ()
    changed["images"] = np.zeros_like(changed["images"])
    np.savez(runs[1] / "examples.npz", **changed)
    (comparison,) = read_results(*runs).comparisons
    shown = shown_examples(comparison)
    assert shown is not None
    assert len(shown.images.images) == 6
    assert {method for method, _ in shown.maps} == {"standard"}
    assert shown.without == ("scaat",)


def test_repeated_rows_are_refused_in_one_sentence(
    tmp_path: Path, content: Content, write_folder: Write
) -> None:
    runs = [write_folder(tmp_path / name, content) for name in ("a", "b")]
    with pytest.raises(InputError, match=r"b/results.json: rows\[0\] repeats .*a/results.json: ro"):
        read_results(*runs)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(classes=["other", "names"]),
        lambda c: [row["settings"].update(data={"image_size": 64}) for row in c["rows"]],
        lambda c: [row["settings"]["evaluation"].update(aopc_baseline="blur") for row in c["rows"]],
    ],
)
def test_other_classes_data_settings_or_protocol_are_kept_apart(
    tmp_path: Path, content: Content, write_folder: Write, change: Callable[[Content], object]
) -> None:
    second = part(content, "scaat")
    change(second)
    runs = [
        write_folder(tmp_path / "one", part(content, "standard")),
        write_folder(tmp_path / "two", second),
    ]
    results = read_results(*runs)
    assert [c.methods for c in results.comparisons] == [("standard",), ("scaat",)]
    html = write_report(results, tmp_path / "out").read_text(encoding="utf-8")
    assert "made-up, tiny, run one" in html
    assert "made-up, tiny, run two" in html


def test_where_the_data_lies_does_not_keep_apart(
    tmp_path: Path, content: Content, write_folder: Write
) -> None:
    runs = []
    for method in ("standard", "scaat"):
        one = part(content, method)
        for row in one["rows"]:
            row["settings"]["data"] = {"data": f"folder:/mnt/{method}", "image_size": None}
        runs.append(write_folder(tmp_path / method, one))
    assert len(read_results(*runs).comparisons) == 1


def test_seeds_are_pooled(tmp_path: Path, content: Content, write_folder: Write) -> None:
    runs = []
    for seed in range(3):
        one = copy.deepcopy(content)
        for row in one["rows"]:
            row["seed"] = seed
            row["settings"]["data"] = {"seed": seed, "image_size": 24}
        runs.append(write_folder(tmp_path / str(seed), one))
    results = read_results(*runs)
    assert len(results.comparisons) == 3
    (pool,) = pools(results)
    assert pool.seeds == (0, 1, 2)
    pooled = pool.pooled("entropy", "gradient", "scaat")
    assert pooled is not None
    means = []
    for run in runs:
        with np.load(run / "per_image.npz") as stored:
            means.append(float(stored["2/entropy"].mean()))
    assert pooled.by_seed == pytest.approx(means)
    assert pooled.estimate.value == pytest.approx(np.mean(means))
    assert pooled.estimate.low is not None
    assert pooled.estimate.low < np.mean(means)
    # The accuracy's zeros and ones are rebuilt from its count.
    accuracy = pool.pooled("accuracy", "gradient", "scaat")
    assert accuracy is not None
    assert accuracy.by_seed == pytest.approx([57 / 60] * 3)
    html = write_report(results, tmp_path / "out").read_text(encoding="utf-8")
    assert "made-up, tiny, seeds 0, 1, 2 together" in html
    assert (tmp_path / "out" / "tables" / "pooled.csv").is_file()


def test_differences_are_pooled_image_by_image(
    tmp_path: Path, content: Content, write_folder: Write
) -> None:
    runs = []
    for seed in (0, 1):
        one = seeded(content, seed)
        runs.append(write_folder(tmp_path / str(seed), one))
        with np.load(runs[-1] / "per_image.npz") as stored:
            values = dict(stored)
        order = np.random.default_rng(seed).permutation(60)
        for key in values:
            if key.startswith("2/"):  # its images in another order than the others'
                values[key] = values[key][order]
        values |= {"0/index": np.arange(60), "2/index": order}
        values["2/entropy"] = values["0/entropy"][order] - 0.5 - 0.1 * seed
        np.savez(runs[-1] / "per_image.npz", **values)
    results = read_results(*runs)
    (pool,) = pools(results)
    actual = pool.pooled("entropy", "gradient", "scaat", "standard")
    assert actual is not None
    assert actual.by_seed == pytest.approx([-0.5, -0.6])
    assert (actual.estimate.value, actual.estimate.n) == (pytest.approx(-0.55), 120)
    # What the images have in common is gone; the seeds alone are left.
    assert actual.estimate.bounds == pytest.approx((-0.6, -0.5))
    rel = pool.pooled("aopc_rel", "gradient", "scaat", "standard")
    assert rel is not None
    assert rel.estimate.bounds is not None
    accuracy = pool.pooled("accuracy", "gradient", "scaat", "standard")
    assert accuracy is None  # until the answers are stored
    for run in runs:
        # The one errs where the other does, and in six images more: their places are the test
        # set's, not those of ``index``.
        add_per_image(run, {"0/correct": np.arange(60) >= 3, "2/correct": np.arange(60) >= 9})
    (pool,) = pools(read_results(*runs))
    accuracy = pool.pooled("accuracy", "gradient", "scaat", "standard")
    assert accuracy is not None
    assert accuracy.by_seed == pytest.approx([-6 / 60] * 2)
    assert accuracy.estimate.bounds is not None
    assert accuracy.estimate.bounds[1] < 0
    assert pool.pooled("entropy", "gradient", "scaat", "unknown") is None
    html = write_report(results, tmp_path / "out").read_text(encoding="utf-8")
    assert "Differences, training seeds pooled" in html
    text = (tmp_path / "out" / "tables" / "pooled-differences.csv").read_text()
    wanted = {"method": "scaat", "less": "standard", "metric": "entropy"}
    (line,) = [r for r in csv.DictReader(text.splitlines()) if wanted.items() <= r.items()]
    assert float(line["value"]) == actual.estimate.value
    assert line["by_seed"].split() == list(map(repr, actual.by_seed))


def test_aucs_are_pooled_with_their_images(
    tmp_path: Path, content: Content, write_folder: Write
) -> None:
    positive = np.arange(60) < 30
    runs, areas = [], []
    for seed in (0, 1):
        hard = 2 * positive + np.random.default_rng(seed).standard_normal(60)
        but_for_one = np.where(positive | (np.arange(60) == 59), 1.0, -1.0)
        margins = [hard, but_for_one, hard - 0.6 * positive]
        one = seeded(content, seed)
        for row, margin in zip(one["rows"], margins, strict=True):
            row["auc"] = auc_interval(margin, positive)
        areas.append([row["auc"]["value"] for row in one["rows"]])
        runs.append(write_folder(tmp_path / str(seed), one))
        for i, margin in enumerate(margins):
            answers = {f"{i}/margin": margin, f"{i}/correct": (margin > 0) == positive}
            add_per_image(runs[-1], answers)
    results = read_results(*runs)
    (pool,) = pools(results)
    assert all(METRICS["auc"].label in table.columns for table in pooled_tables(pool)[:3])
    for name in ("pooled.csv", "pooled-differences.csv"):
        lines = csv.DictReader(csv_files(results)[name].splitlines())
        assert "auc" in {line["metric"] for line in lines}
    for i, method in enumerate(("standard", "saliency-guided", "scaat")):
        actual = pool.pooled("auc", "gradient", method)
        assert actual is not None
        assert actual.by_seed == pytest.approx([of_seed[i] for of_seed in areas])
        assert actual.estimate.value == pytest.approx(np.mean(actual.by_seed))
        assert actual.estimate.bounds is not None
        low, high = actual.estimate.bounds
        assert low < actual.estimate.value < high
        assert (high == 1.0) == (method == "saliency-guided")  # not above
    lower = pool.pooled("auc", "gradient", "scaat", "standard")
    assert lower is not None
    assert lower.by_seed == pytest.approx([of_seed[2] - of_seed[0] for of_seed in areas])
    assert lower.estimate.bounds is not None
    assert lower.estimate.bounds[1] < 0


def test_further_measures_are_pooled_in_tables_of_their_families(
    tmp_path: Path, content: Content, write_folder: Write
) -> None:
    runs = []
    for seed in (0, 1):
        one = seeded(content, seed)
        for i, row in enumerate(one["rows"]):
            inside = 0.5 + 0.1 * i + 0.01 * seed
            row["energy_inside"] = {"value": inside, "low": 0.3, "high": 0.9, "n": 60}
        runs.append(write_folder(tmp_path / str(seed), one))
        for i, row in enumerate(one["rows"]):
            inside = np.full(60, row["energy_inside"]["value"])
            add_per_image(runs[-1], {f"{i}/energy_inside": inside})
    (pool,) = pools(read_results(*runs))
    tables = {table.name: table for table in pooled_tables(pool)}
    assert list(tables) == [
        "pooled",
        "pooled-differences",
        "pooled-localisation",
        "pooled-differences-localisation",
    ]
    means = [line.cells for line in tables["pooled-localisation"].lines]
    assert [(cell.value, cell.note) for (cell,) in means] == [
        ("0.505", "0.500; 0.510"),
        ("0.605", "0.600; 0.610"),
        ("0.705", "0.700; 0.710"),
    ]
    first = tables["pooled-differences-localisation"].lines[0]
    assert (first.group, first.cells[0].value) == ("SCAAT less Standard", "▲ +0.200")


def test_methods_that_share_no_two_seeds_have_no_pooled_difference(
    tmp_path: Path, content: Content, write_folder: Write
) -> None:
    runs = [write_folder(tmp_path / "both", content)]
    runs.append(write_folder(tmp_path / "one", part(content, "scaat", seed=1)))
    results = read_results(*runs)
    (pool,) = pools(results)
    assert [table.name for table in pooled_tables(pool)] == ["pooled"]
    assert "pooled-differences.csv" not in csv_files(results)


def test_seeds_without_images_are_not_pooled(
    tmp_path: Path, content: Content, write_folder: Write
) -> None:
    runs = []
    for seed in (0, 1):
        runs.append(write_folder(tmp_path / str(seed), seeded(content, seed)))
        (runs[-1] / "per_image.npz").unlink()
    (pool,) = pools(read_results(*runs))
    assert pool.pooled("aopc_rel", "gradient", "scaat") is None
    assert pool.pooled("aopc_rel", "gradient", "scaat", "standard") is None
    assert [table.name for table in pooled_tables(pool)] == ["pooled"]  # of accuracies


def test_runs_of_one_method_under_other_settings_are_named_by_what_differs(
    tmp_path: Path, content: Content, write_folder: Write
) -> None:
    light, heavy = (part(content, "scaat") for _ in range(2))
    for run, weight in ((light, 1), (heavy, 5)):
        for row in run["rows"]:
            row["settings"] = {**row["settings"], "objective": {"weight": weight, "steps": 2}}
            row["settings"]["trained"] = {"loss": weight}  # a measurement, no setting
    folders = [write_folder(tmp_path / name, run) for name, run in (("a", light), ("b", heavy))]
    results = read_results(*folders)
    (comparison,) = results.comparisons
    assert comparison.methods == ("scaat (weight=1)", "scaat (weight=5)")
    html = write_report(results, tmp_path / "report").read_text(encoding="utf-8")
    assert "SCAAT (weight=5)" in html
    for i in range(4):  # too many to name
        for row in heavy["rows"]:
            row["settings"]["objective"][f"option{i}"] = i
    write_folder(tmp_path / "b", heavy)
    (comparison,) = read_results(*folders).comparisons
    assert comparison.methods == ("scaat (a)", "scaat (b)")


def test_seeds_of_each_setting_are_pooled_under_one_name(
    tmp_path: Path, content: Content, write_folder: Write
) -> None:
    folders = []
    for name in ("plain", "other"):
        for seed in (0, 1):
            run = part(content, "scaat", seed=seed)
            for row in run["rows"]:
                options = dict.fromkeys("abcd", 1 if name == "plain" else 2)  # too many to name
                row["settings"] = {**row["settings"], "objective": options}
                if name == "other":
                    row["settings"]["training"] = {"weights": f"plain-{seed}/model.pt"}
                row["settings"]["evaluation"] = {**row["settings"]["evaluation"], "seed": seed}
            folders.append(write_folder(tmp_path / f"{name}-{seed}", run))
    (pool,) = pools(read_results(*folders))
    assert pool.methods == ("scaat (plain-0 and others)", "scaat (other-0 and others)")
    for method in pool.methods:
        assert pool.pooled("entropy", "gradient", method) is not None
    two_of_a_seed = [folders[2], *folders[:2]]
    two_of_a_seed.append(write_folder(tmp_path / "again", run_with_weights(folders[2])))
    methods = {row.method for row in read_results(*two_of_a_seed).rows}
    assert methods == {"scaat (plain-0 and others)", "scaat (other-0)", "scaat (again)"}


def run_with_weights(folder: Path) -> Content:
    """Return the results of a folder as from other weights."""
    run: Content = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    for row in run["rows"]:
        row["settings"]["training"]["weights"] = "elsewhere.pt"
    return run
