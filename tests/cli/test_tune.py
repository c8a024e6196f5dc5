"""``scaat tune`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli.inside import Done, scaat, write_images

pytest.importorskip("optuna")

QUICK = [
    *("--model", "nets:tiny", "--epochs", 3, "--batch-size", 16, "--precision", 32),
    *("--eval-images", 4, "--eval-aopc-steps", 2, "--eval-aopc-repeats", 1),
    *("--eval-attributions", "gradient", "--eval-bootstrap-resamples", 100),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), ("a", 30), ("b", 30))


def tune(out: Path, data: Path, *more: object) -> Done:
    return scaat(
        "tune", "--out", out, "--data", f"folder:{data}", *QUICK, *more, on_warning="ignore"
    )


@pytest.mark.slow
def test_a_search_more_of_it_and_its_choice(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = tune(out, data, "--trials", 2, "--budget", 100, "--json")
    assert done.status == 0, done.err
    rows: list[dict[str, Any]] = done.document["rows"]
    assert [row["setting"].split(",")[0] for row in rows] == ["standard", "scaat", "scaat"]
    assert "accuracy budget 0.5, " in rows[1]["setting"]  # the defaults are tried first
    assert {row["accuracy"]["n"] for row in rows} == {6}  # validation images
    assert done.document["said"] in (out / "tune.md").read_text()
    assert (out / "figures" / "tune-gradient.png").stat().st_size > 1000
    # All share the study's standard training.
    assert not list(out.glob("trials/*/reference"))
    summary = json.loads(next(out.glob("trials/scaat*/training.json")).read_text())
    standard = json.loads((out / "trials" / "standard-seed-0" / "training.json").read_text())
    assert summary["reference_seconds"] == standard["train_seconds"]
    # Measured in blocks.
    (config,) = out.glob("trials/standard-seed-0/validation/gradient/config.yaml")
    assert yaml.safe_load(config.read_text())["evaluation"]["aopc_region_size"] == 2

    stamps = {path: path.stat().st_mtime_ns for path in out.glob("trials/*/model.pt")}
    again = tune(out, data, "--trials", 3, "--budget", 100, "--resume", "--json")
    assert again.status == 0, again.err
    assert [row["setting"] for row in again.document["rows"][:3]] == [r["setting"] for r in rows]
    assert len(again.document["rows"]) == 4
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    other = tune(out, data, "--trials", 3, "--budget", 1, "--resume")
    assert other.status == 2
    assert "holds a search with budget 100" in other.err

    chosen = Path(again.document["chosen"])
    front = [row["setting"] for row in again.document["rows"] if row["on_front"]]
    settings = yaml.safe_load(chosen.read_text())
    budget = settings["objectives"]["scaat"]["accuracy_budget"]
    assert any(f"accuracy budget {budget:.3g}," in title for title in front)
    final = scaat(
        "compare", "--config", chosen, "--out", tmp_path / "final", "--json", on_warning="ignore"
    )
    assert final.status == 0, final.err
    assert [row["method"] for row in final.document["rows"]] == [
        *("standard", "saliency-guided", "scaat")
    ]
    config = yaml.safe_load((tmp_path / "final" / "config.yaml").read_text())
    assert config["objectives"]["scaat"] == settings["objectives"]["scaat"]


@pytest.mark.slow
def test_proposals_may_repeat(data: Path, tmp_path: Path) -> None:
    """Of one choice every proposal is the same; two at once are one training."""
    search = ["--method", "pgd-adversarial", "--search", "pgd-adversarial.steps=1", "--jobs", 2]
    common = [*search, "--budget", 100, "--epochs", 1, "--json"]
    done = tune(tmp_path / "out", data, "--trials", 2, *common)
    assert done.status == 0, done.err
    assert len(done.document["rows"]) == 2
    again = tune(tmp_path / "out", data, "--trials", 4, *common, "--resume")
    assert again.status == 0, again.err
    assert again.document["rows"] == done.document["rows"]


@pytest.mark.slow
def test_trainings_behind_the_budget_end_early(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    # A learning rate of 1e-9 learns nothing; bright images against dark ones are easy otherwise.
    easy = write_images(tmp_path / "easy", ("a", 60), ("b", 60))
    for path in (easy / "a").iterdir():
        path.write_bytes((data / "a" / "0.png").read_bytes())
    few = ["--trials", 1, "--budget", 0, "--epochs", 30]
    search = ["--search", "pgd-adversarial.epsilon=0.9:1", "--method", "pgd-adversarial"]
    done = tune(out, easy, *few, *search, "--json")
    assert done.status == 1, done.err
    assert done.document["chosen"] is None
    ((name, why),) = done.document["failed"].items()
    assert name.startswith("pgd-adversarial, epsilon 0.9")
    assert "points of validation accuracy behind standard training in epoch" in why
    assert "No setting is within 0 points" in done.document["said"]
    assert not list(out.glob("trials/pgd*/model.pt"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--budget", -1], "budget is -1, expected points of accuracy, at least 0"),
        (["--method", "trades"], "method 'trades' has no default search; expected --search"),
        (["--search", "scaat.epsilon=1:0.5"], "expected the lower end first"),
        (["--search", "scaat.epsilo=0:1"], "did you mean 'scaat.epsilon'?"),
        (["--search", "scaat.epsilon=0:x"], "'x' is not a number"),
        (["--search", "eval-images=3,4"], "is an option of the evaluation"),
        (["--devices", 2], "in one process each; expected devices 1"),
        (["--trials", 0], "--trials"),
        (["--resume"], "has no tune.yaml"),
        (["--data", "digitz"], "unknown data set 'digitz'"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[object], said: str, data: Path, tmp_path: Path
) -> None:
    done = tune(tmp_path / "out", data, *arguments)
    assert done.status == 2
    assert said in " ".join(done.err.split())
    assert not list(tmp_path.glob("out/*"))
