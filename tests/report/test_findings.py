"""The headline: it says what the rows say, whoever wins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom
from tests.report.full import add_per_image

from scaat.display.labels import METRICS
from scaat.report import Estimate, read_results
from scaat.report.compare import difference, sign, verdict
from scaat.report.findings import Findings, findings
from scaat.report.results import Comparison
from scaat.report.tables import performance_table
from scaat.statistics import accuracy_interval, auc_interval, paired_auc_difference

Content = dict[str, Any]


@pytest.fixture
def find(make_folder: Callable[..., Path]) -> Callable[[Content], Findings]:
    return lambda content: findings(read_results(make_folder(content)).comparisons[0])


@pytest.mark.parametrize(
    ("metric", "low", "high", "expected"),
    [
        ("gini", 0.1, 0.5, "better"),
        ("gini", -0.5, -0.1, "worse"),
        ("entropy", 0.1, 0.5, "worse"),
        ("entropy", -0.5, -0.1, "better"),
        ("gini", -0.1, 0.5, "not significant"),
        ("gini", 0.0, 0.5, "not significant"),
        ("gini", None, None, "not significant"),
    ],
)
def test_a_verdict_needs_an_interval_without_0(
    metric: str, low: float | None, high: float | None, expected: str
) -> None:
    assert sign(metric, Estimate(0.3, low, high, 9)) == expected


def test_an_open_end_reaches_everything_above() -> None:
    for low, expected in ((5.0, "better"), (-5.0, "not significant")):
        assert sign("aopc_rel", Estimate(300.0, low, None, 9, unbounded=True)) == expected


def test_without_values_of_the_images_there_is_no_verdict(
    make_folder: Callable[..., Path], content: Content
) -> None:
    folder = make_folder(content)
    (folder / "per_image.npz").unlink()
    actual = findings(read_results(folder).comparisons[0])
    assert actual.pairs[0].total == 0
    assert actual.headline == (
        "SCAAT’s saliency maps and standard training’s cannot be compared image by image; "
        "accuracy −0.2 points, not significant"
    )


def test_a_win_on_all_counts(find: Callable[[Content], Findings], content: Content) -> None:
    actual = find(content)
    assert actual.headline.startswith(
        "SCAAT’s saliency maps are sparser and more faithful than standard training’s in all 15 "
        "comparisons; accuracy −0.2 points, not significant"
    )
    assert not any(" is worse than" in point for point in actual.points)
    assert "SCAAT against saliency-guided training: better in all 15 comparisons." in actual.points
    assert any(point.startswith("Training with SCAAT took 2.50×") for point in actual.points)


def test_bounds_do_not_count(find: Callable[[Content], Findings], content: Content) -> None:
    """No model makes the maps of random and oracle, so nobody wins or loses by them."""
    for row in content["rows"]:
        if row["attribution"] == "smoothgrad":
            row["attribution"] = "random"
    assert " in all 10 comparisons" in find(content).headline


def test_a_loss_on_all_counts(
    find: Callable[[Content], Findings], results_content: Callable[..., Content]
) -> None:
    actual = find(results_content(subject_wins=False))
    assert actual.headline == (
        "SCAAT’s saliency maps are worse than standard training’s in all 15 comparisons; accuracy "
        "+0.2 points, not significant; saliency-guided training beats SCAAT in 15 of 15"
    )
    (losses,) = (p for p in actual.points if p.startswith("SCAAT is worse than standard training"))
    for name in ("Saliency entropy", "Compressed size", "Gini index", "AOPC LeRF", "AOPC ratio"):
        assert f"{name} (every saliency method)" in losses


def test_a_mixed_result_names_each_loss_and_the_accuracy(
    make_folder: Callable[..., Path], content: Content
) -> None:
    for row in content["rows"]:
        if row["method"] == "scaat":
            row["accuracy"] = {"value": 0.80, "low": 0.79, "high": 0.81, "n": 60}
            if row["attribution"] == "smoothgrad":
                row["size_kb"] = {"value": 9.0, "low": 8.0, "high": 10.0, "n": 60}
                row["gini"] = {"value": 0.5, "low": 0.1, "high": 0.9, "n": 60}
    folder = make_folder(content)
    right = {i: 48 if row["method"] == "scaat" else 57 for i, row in enumerate(content["rows"])}
    add_per_image(folder, {f"{i}/correct": np.arange(60) < n for i, n in right.items()})
    actual = findings(read_results(folder).comparisons[0])
    assert actual.headline == (
        "SCAAT’s saliency maps are better than standard training’s in 13 of 15 comparisons and "
        "worse in 1, 1 not significant; its accuracy is significantly lower (−15.2 points)"
    )
    loss = "SCAAT is worse than standard training in: Compressed size (SmoothGrad)."
    assert loss in actual.points


@pytest.fixture
def with_answers(
    make_folder: Callable[..., Path], content: Content
) -> Callable[[Sequence[bool], Sequence[bool]], Comparison]:
    """Store which of 60 images SCAAT, and which both others, classify correctly."""

    def comparison(mine: Sequence[bool], theirs: Sequence[bool]) -> Comparison:
        correct = {
            row["method"]: np.array(mine if row["method"] == "scaat" else theirs)
            for row in content["rows"]
        }
        for row in content["rows"]:
            row["accuracy"] = accuracy_interval(correct[row["method"]])
        folder = make_folder(content)
        rows = enumerate(content["rows"])
        add_per_image(folder, {f"{i}/correct": correct[row["method"]] for i, row in rows})
        return read_results(folder).comparisons[0]

    return comparison


def test_accuracy_is_decided_image_by_image(
    with_answers: Callable[[Sequence[bool], Sequence[bool]], Comparison],
) -> None:
    """Errors in common tell the two apart though their own intervals overlap."""
    compared = with_answers([i >= 8 for i in range(60)], [i >= 3 for i in range(60)])
    apart = difference(compared, "accuracy", None, "scaat", "standard")
    assert apart is not None
    # The resampled difference counts how often the five images are drawn.
    expected = [-binom.ppf(tail, 60, 5 / 60) / 60 for tail in (0.975, 0.025)]
    assert apart.bounds == pytest.approx(expected)
    mine, theirs = (compared.model_row(m).metrics["accuracy"] for m in ("scaat", "standard"))
    assert mine.high > theirs.low
    actual = findings(compared)
    assert "; its accuracy is significantly lower (−8.3 points)" in actual.headline
    (point,) = (p for p in actual.points if p.startswith("Accuracy: "))
    assert point.endswith("; −8.3 points [−16.7, −1.7] image by image, significantly lower.")
    assert _marks(compared) == [(True, False), (True, False), (False, False)]
    assert verdict(compared, "accuracy", "gradient", "scaat", "standard") == "worse"


def test_errors_in_other_images_leave_accuracy_undecided(
    with_answers: Callable[[Sequence[bool], Sequence[bool]], Comparison],
) -> None:
    compared = with_answers([i >= 8 for i in range(60)], [i < 57 for i in range(60)])
    actual = findings(compared)
    assert "; accuracy −8.3 points, not significant" in actual.headline
    (point,) = (p for p in actual.points if p.startswith("Accuracy: "))
    assert point.endswith(" image by image, not significant.")
    assert _marks(compared) == [(True, False), (True, False), (False, True)]


def test_auc_is_decided_image_by_image(make_folder: Callable[..., Path], content: Content) -> None:
    """The second class is known from the answers; without it, or where they differ, is no pair."""
    rng = np.random.default_rng(0)
    positive = np.arange(60) < 30
    hard = 2 * positive + rng.standard_normal(60)
    margins = {"standard": hard, "saliency-guided": hard, "scaat": hard - 0.6 * positive}
    answers = {m: {"margin": v, "correct": (v > 0) == positive} for m, v in margins.items()}

    def stored(**changed: np.ndarray) -> Comparison:
        for row in content["rows"]:
            row["auc"] = auc_interval(margins[row["method"]], positive)
        folder = make_folder(content)
        for i, row in enumerate(content["rows"]):
            of_row = answers[row["method"]] | (changed if row["method"] == "scaat" else {})
            add_per_image(folder, {f"{i}/{name}": array for name, array in of_row.items()})
        return read_results(folder).comparisons[0]

    compared = stored()
    apart = difference(compared, "auc", None, "scaat", "standard")
    expected = paired_auc_difference(margins["scaat"], margins["standard"], positive)
    assert apart == Estimate(**expected)
    mine, theirs = (compared.model_row(m).metrics["auc"] for m in ("scaat", "standard"))
    assert mine.high > theirs.low
    (point,) = (p for p in findings(compared).points if p.startswith("AUC: "))
    assert point.endswith(" image by image, significantly lower.")
    for other in (answers["scaat"]["correct"] ^ positive, np.ones(59, dtype=bool)):
        assert difference(stored(correct=other), "auc", None, "scaat", "standard") is None


def _marks(comparison: Comparison) -> list[tuple[bool, bool]]:
    """Return which methods' accuracies are marked as the best and as tied with it."""
    table = performance_table(comparison)
    column = table.columns.index(METRICS["accuracy"].label)
    return [(line.cells[column].best, line.cells[column].tied) for line in table.lines]


def test_no_difference_is_called_none(
    find: Callable[[Content], Findings], content: Content
) -> None:
    same = content["rows"][0]
    for row in content["rows"]:
        for key in ("entropy", "size_kb", "gini", "aopc_lerf", "aopc_morf", "aopc_rel"):
            row[key] = same[key]
    assert "do not differ significantly from standard training’s in any of 15 comparisons" in (
        find(content).headline
    )


def test_unbounded_ratios_are_named(find: Callable[[Content], Findings], content: Content) -> None:
    content["rows"][6]["aopc_rel"] |= {"high": None, "unbounded": True}
    (point,) = (p for p in find(content).points if "unbounded" in p)
    assert "SCAAT with Vanilla gradient" in point
    assert "Standard" not in point


def test_a_lower_morf_is_told_but_not_counted(
    find: Callable[[Content], Findings], content: Content
) -> None:
    for row in content["rows"]:
        if row["method"] == "scaat":
            row["aopc_morf"] = {"value": 0.01, "low": 0.0, "high": 0.02, "n": 60}
    actual = find(content)
    assert "in all 15 comparisons" in actual.headline
    assert any(
        "AOPC MoRF (every saliency method)" in p and "Not counted" in p for p in actual.points
    )


def test_other_methods_than_the_known(
    find: Callable[[Content], Findings], content: Content
) -> None:
    names = {"standard": "plain", "saliency-guided": "guided", "scaat": "mine"}
    for row in content["rows"]:
        row["method"] = names[row["method"]]
        row["cost_ratio"] = None
    assert find(content).headline.startswith(
        "Mine’s saliency maps are sparser and more faithful than plain’s"
    )


def test_one_method_alone_is_not_compared(
    find: Callable[[Content], Findings], content: Content
) -> None:
    content["rows"] = content["rows"][6:]
    actual = find(content)
    assert actual.pairs == ()
    assert "no other training to compare with" in actual.headline
