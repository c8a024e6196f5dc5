"""Tables: the numbers of the results, rounded only where they are printed."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from scaat.display.labels import METRICS, full_text, ratio_text, seconds_text
from scaat.display.table import best
from scaat.report import Estimate, read_results, terminal_table
from scaat.report.tables import comparison_table, csv_files, text_files

Content = dict[str, Any]

PARTS = ("value", "low", "high")


def _lines(text: str) -> list[list[str]]:
    """Return the cells of a Markdown table's lines."""
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]


def test_csv_gives_back_every_number_exactly(folder: Path, content: Content) -> None:
    lines = list(csv.DictReader(io.StringIO(csv_files(read_results(folder))["comparison.csv"])))
    assert len(lines) == len(content["rows"])
    for line, row in zip(lines, content["rows"], strict=True):
        assert (line["method"], line["attribution"]) == (row["method"], row["attribution"])
        for metric in ("entropy", "size_kb", "gini", "aopc_lerf", "aopc_morf", "aopc_rel"):
            assert [float(line[f"{metric}_{part}"]) for part in PARTS] == (
                [row[metric][part] for part in PARTS]
            )
            assert int(line[f"{metric}_n"]) == row[metric]["n"]


def test_long_csv_has_a_line_for_every_measured_number(folder: Path, content: Content) -> None:
    lines = list(csv.DictReader(io.StringIO(csv_files(read_results(folder))["long.csv"])))
    assert len(lines) == 9 * 7  # no AUC
    by_key = {(line["method"], line["attribution"], line["metric"]): line for line in lines}
    for row in content["rows"]:
        line = by_key[row["method"], row["attribution"], "aopc_rel"]
        assert float(line["value"]) == row["aopc_rel"]["value"]
        assert line["better"] == "higher"
        assert line["unbounded"] == "False"


def test_performance_csv_has_a_line_for_every_training(folder: Path, content: Content) -> None:
    lines = list(csv.DictReader(io.StringIO(csv_files(read_results(folder))["performance.csv"])))
    assert [line["method"] for line in lines] == ["standard", "saliency-guided", "scaat"]
    gradient = [row for row in content["rows"] if row["attribution"] == "gradient"]
    for line, row in zip(lines, gradient, strict=True):
        assert float(line["accuracy_value"]) == row["accuracy"]["value"]
        assert float(line["aopc_rel_value"]) == row["aopc_rel"]["value"]
        assert float(line["cost_ratio"]) == row["cost_ratio"]
        assert line["auc_value"] == ""


def test_missing_cost_and_auc_are_empty(make_folder: Callable[..., Path], content: Content) -> None:
    for row in content["rows"]:
        row["train_seconds"] = row["cost_ratio"] = None
    results = read_results(make_folder(content))
    line = next(csv.DictReader(io.StringIO(csv_files(results)["performance.csv"])))
    assert line["train_seconds"] == line["cost_ratio"] == line["auc_low"] == ""
    text = text_files(results)["performance.md"]
    assert "AUC" not in text
    assert _lines(text)[2][-2:] == ["–", "–"]


def test_markdown_has_a_line_for_every_row(folder: Path, content: Content) -> None:
    head, _, *lines = _lines(text_files(read_results(folder))["comparison.md"])
    assert head[:2] == ["Saliency method", "Training"]
    assert [name.split()[-1] for name in head[2:]] == ["↓", "↓", "↑", "↓", "↑", "↑"]
    # Lines go by saliency method, then training method; the rows of the file the other way.
    order = [
        (a, m)
        for a in ("gradient", "smoothgrad", "integrated-gradients")
        for m in ("standard", "saliency-guided", "scaat")
    ]
    assert len(lines) == len(order)
    for line, (attribution, method) in zip(lines, order, strict=True):
        (row,) = (
            row
            for row in content["rows"]
            if (row["method"], row["attribution"]) == (method, attribution)
        )
        value, low, high = (f"{row['entropy'][part]:.2f}" for part in PARTS)
        bold = f"**{value}**" if method == "scaat" else value
        assert line[2] == rf"{bold} \[{low}, {high}\]"


def test_latex_is_escaped_and_marks_the_best(
    make_folder: Callable[..., Path], content: Content
) -> None:
    for row in content["rows"]:
        if row["method"] == "scaat":
            row["method"] = "50 % of a_b & $x$"
    text = text_files(read_results(make_folder(content)))["comparison.tex"]
    assert r"50 \% of a\_b \& \$x\$" in text
    assert r"\toprule" in text
    assert text.count(r"\textbf") == 3 * 6  # SCAAT is best by every metric
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len({line.replace(r"\&", "").count("&") for line in rows if "multi" not in line}) == 1


@pytest.mark.parametrize("wins", [True, False])
def test_the_best_is_bold_in_either_direction(
    make_folder: Callable[..., Path], results_content: Callable[..., Content], wins: bool
) -> None:
    table = comparison_table(
        read_results(make_folder(results_content(subject_wins=wins))).comparisons[0]
    )
    expected = (False, False, True) if wins else (True, False, False)
    assert len(table.lines) == 9
    for place, line in enumerate(table.lines):
        assert all(cell.best == expected[place % 3] for cell in line.cells), line.head


def test_best_takes_ties_and_none_beside_an_undefined_value() -> None:
    def estimate(value: float | None) -> Estimate:
        return Estimate(value, None, None, 10, unbounded=value is None)

    assert best("gini", [estimate(0.5), estimate(0.7), estimate(0.7)]) == {1, 2}
    assert best("entropy", [estimate(0.5), None, estimate(0.7)]) == {0}
    assert best("aopc_rel", [None, estimate(2.0), estimate(-30.0)]) == {1}
    # LeRF below zero leaves rel undefined, and may be the best of them.
    assert best("aopc_rel", [estimate(None), estimate(2.0), estimate(-30.0)]) == set()
    assert best("gini", [estimate(0.5), None]) == set()


@pytest.mark.parametrize(
    ("metric", "estimate", "text"),
    [
        ("accuracy", Estimate(0.95, 0.941, 0.96, 9), "0.950 [0.941, 0.960]"),
        ("entropy", Estimate(5.891, 5.853, 5.932, 9), "5.89 [5.85, 5.93]"),
        ("aopc_lerf", Estimate(0.00018, 0.00016, 0.00021, 9), "0.180 [0.160, 0.210]"),
        ("aopc_lerf", Estimate(0.22, 0.2, 0.24, 9), "220 [200, 240]"),
        # Far below its own uncertainty: no false digits.
        ("aopc_lerf", Estimate(-0.000003, -0.004, 0.005, 9), "0.00 [−4.00, 5.00]"),
        ("aopc_rel", Estimate(24.4, 12.4, None, 9, True), "24.4 [12.4, unbounded]"),
        ("aopc_rel", Estimate(24.4, None, None, 9, True), "24.4 [unbounded]"),
        ("aopc_rel", Estimate(29.0, 15.0, 784058.2, 9), "29.0 [15.0, 784\u202f000]"),
        ("aopc_rel", Estimate(None, 3.0, None, 9, True), "LeRF ≤ 0 [3.00, unbounded]"),
        ("gini", Estimate(None, None, None, 9), "–"),
        ("gini", Estimate(0.5, None, None, 1), "0.500"),
        ("auc", None, "–"),
    ],
)
def test_numbers_are_printed_with_their_own_precision(
    metric: str, estimate: Estimate | None, text: str
) -> None:
    assert full_text(METRICS[metric], estimate) == text


def test_durations_and_ratios() -> None:
    assert seconds_text(6.512) == "6.51 s"
    assert seconds_text(119.4) == "119 s"
    assert seconds_text(300.0) == "5.0 min"
    assert ratio_text(2.431) == "2.43×"
    assert seconds_text(None) == ratio_text(None) == "–"


def test_an_open_interval_has_infinite_bounds() -> None:
    assert Estimate(3.0, 1.0, None, 9, True).bounds == (1.0, math.inf)
    assert Estimate(3.0, None, None, 9, True).bounds == (-math.inf, math.inf)
    assert Estimate(3.0, None, None, 9).bounds is None


def test_names_cannot_break_a_markdown_table(
    make_folder: Callable[..., Path], content: Content
) -> None:
    for row in content["rows"]:
        row["data"] = "folder:a|b\n# <b>"
        if row["method"] == "scaat":
            row["method"] = "my|method"
    text = text_files(read_results(make_folder(content)))["performance.md"]
    assert r"folder:a\|b # &lt;b&gt;" in text
    assert {
        line.replace(r"\|", "").count("|") for line in text.splitlines() if line[:1] == "|"
    } == {6}


def _printed(*folders: Path, width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(terminal_table(read_results(*folders)))
    return stream.getvalue()


def test_the_terminal_table_fits_80_columns(
    make_folder: Callable[..., Path], content: Content
) -> None:
    for row in content["rows"]:
        row["auc"] = row["accuracy"]
    text = _printed(make_folder(content))
    assert "…" not in text
    rows = [line.split() for line in text.splitlines() if line.strip().startswith("SCAAT")]
    assert len(rows) == 3
    row = content["rows"][6]
    assert rows[0][1] == f"{row['accuracy']['value']:.3f}"
    assert rows[0][3] == f"{row['entropy']['value']:.2f}"
    assert float(rows[0][-1]) == pytest.approx(row["aopc_rel"]["value"], rel=0.01)


def test_long_names_take_no_room_from_numbers(
    make_folder: Callable[..., Path], content: Content, tmp_path: Path
) -> None:
    folders = []
    for number in (1, 2):
        for row in content["rows"]:
            row["data"] = f"photographs of {number} kinds of birds, some of them in flight"
            if row["method"] == "scaat":
                row["method"] = "scaat, one step, a weight of 2"
        folders.append(make_folder(content).rename(tmp_path / f"run-{number}"))
    text = _printed(*folders, width=60)
    assert "…" not in text
    assert "birds" in text
    assert all(f"{row['accuracy']['value']:.3f}" in text for row in content["rows"])
    assert max(map(len, text.splitlines())) <= 60


def test_the_terminal_table_prints_brackets_as_they_are(
    make_folder: Callable[..., Path], content: Content
) -> None:
    for row in content["rows"]:
        row["data"] = "[red]x[/blue]"
    assert "[red]x[/blue]" in _printed(make_folder(content))
