"""The commands as a user runs them, on a small folder of images: once in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from tests.cli.inside import scaat

QUICK = [
    "--model",
    "nets:tiny",
    "--epochs",
    "2",
    "--batch-size",
    "16",
    "--precision",
    "32",
    "--scaat.steps",
    "1",
    "--scaat.weight",
    "5",
    "--scaat.search-interval",
    "1",
]
QUICK_EVALUATION = [
    "--eval-images",
    "4",
    "--eval-aopc-steps",
    "3",
    "--eval-aopc-repeats",
    "2",
    "--eval-examples",
    "2",
    "--eval-bootstrap-resamples",
    "100",
]


def own_process(*arguments: object) -> subprocess.CompletedProcess[str]:
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-m", "scaat", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
    )


def ok(*arguments: object) -> str:
    done = scaat(*arguments)
    assert done.status == 0, done.err
    return done.out


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 images of 12 x 12 pixels in two classes, the brighter one on the left or right."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number in range(40):
        pixels = rng.integers(0, 100, (12, 12, 3), dtype=np.uint8)
        side = number % 2
        pixels[:, 6 * side : 6 * side + 6] += 100
        path = folder / ("left", "right")[side] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


@pytest.fixture(scope="module")
def compared(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "compared"
    done = own_process(
        "compare",
        "--out",
        out,
        "--data",
        f"folder:{images}",
        "--name",
        "sides",
        *QUICK,
        *QUICK_EVALUATION,
    )
    assert done.returncode == 0, done.stderr
    assert "SCAAT" in done.stdout
    return out


def test_compare_writes_everything(compared: Path) -> None:
    results = json.loads((compared / "results.json").read_text())
    rows = results["rows"]
    assert results["schema"] == 1
    assert [(row["method"], row["attribution"]) for row in rows] == [
        (method, attribution)
        for method in ("standard", "saliency-guided", "scaat")
        for attribution in ("gradient", "smoothgrad", "integrated-gradients")
    ]
    for row in rows:
        assert row["data"] == "sides"
        assert row["model"] == "nets:tiny"
        assert row["auc"]["n"] == row["accuracy"]["n"] == 8
        for metric in ("entropy", "size_kb", "gini", "aopc_lerf", "aopc_morf", "aopc_rel"):
            assert row[metric]["n"] == 4
        assert row["train_seconds"] > 0
        assert row["settings"]["data"]["seed"] == 0
    with np.load(compared / "per_image.npz") as stored:
        for i, row in enumerate(rows):
            assert stored[f"{i}/correct"].shape == stored[f"{i}/margin"].shape == (8,)
            assert stored[f"{i}/correct"].mean() == pytest.approx(row["accuracy"]["value"])
    assert {row["cost_ratio"] for row in rows[:3]} == {1.0}
    assert rows[-1]["settings"]["objective"]["steps"] == 1
    assert str(compared) not in json.dumps(results["rows"])
    for name in (
        "report.html",
        "config.yaml",
        "per_image.npz",
        "examples.npz",
        "models/scaat/model.pt",
    ):
        assert (compared / name).is_file(), name
    assert list((compared / "tables").glob("*.md"))
    assert list((compared / "tables").glob("*.csv"))
    assert list((compared / "figures").glob("*.png"))
    assert not list(compared.rglob("*.part"))
    config = yaml.safe_load((compared / "config.yaml").read_text())
    assert config["command"] == "compare"
    assert config["training"]["epochs"] == 2


@pytest.mark.parametrize("command", ["train", "compare"])
def test_a_dry_run_prints_the_plan_and_writes_nothing(
    command: str, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    plan = ok(command, "--dry-run", "--out", out, "--data", f"folder:{images}", *QUICK)
    assert "Length: 2 epochs, 4 steps" in plan
    assert "scaat" in plan
    assert ("together" in plan) == (command == "compare")
    assert not out.exists()


@pytest.mark.slow
def test_compare_again_needs_resume_and_then_trains_nothing(compared: Path, images: Path) -> None:
    config = ["--config", compared / "config.yaml"]
    done = scaat("compare", "--out", compared, *config)
    assert done.status == 2
    assert "holds a run already" in done.err
    before = (compared / "models" / "scaat" / "model.pt").stat().st_mtime_ns
    rows = json.loads((compared / "results.json").read_text())["rows"]
    done = scaat("compare", "--out", compared, "--resume", *config)
    assert done.status == 0, done.err
    assert "scaat is trained already" in done.err
    assert (compared / "models" / "scaat" / "model.pt").stat().st_mtime_ns == before
    assert json.loads((compared / "results.json").read_text())["rows"] == rows
    done = scaat("compare", "--out", compared, "--resume", *config, "--epochs", "5")
    assert done.status == 2
    assert "training.epochs is 2 there and 5 now" in done.err


def test_report_needs_the_results_alone(compared: Path, tmp_path: Path) -> None:
    for name in ("results.json", "per_image.npz", "examples.npz"):
        (tmp_path / name).write_bytes((compared / name).read_bytes())
    assert "SCAAT" in ok("report", tmp_path)
    assert (tmp_path / "report.html").is_file()


def test_a_report_of_several_runs_needs_a_place_and_no_repetition(
    compared: Path, tmp_path: Path
) -> None:
    done = scaat("report", compared, compared)
    assert done.status == 2
    assert "expected --out" in done.err
    done = scaat("report", compared, compared, "--out", tmp_path / "both")
    assert done.status == 2
    assert "rows[0] repeats" in done.err
    assert not (tmp_path / "both").exists()


@pytest.mark.slow
def test_train_then_evaluate_equals_compare(images: Path, compared: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    ok(
        "train",
        "--method",
        "scaat",
        "--out",
        run,
        "--data",
        f"folder:{images}",
        "--name",
        "sides",
        *QUICK,
    )
    ok("evaluate", run, *QUICK_EVALUATION)
    rows = json.loads((run / "evaluation" / "results.json").read_text())["rows"]
    expected = json.loads((compared / "results.json").read_text())["rows"][-3:]
    for row, other in zip(rows, expected, strict=True):
        for metric in ("accuracy", "auc", "entropy", "gini", "aopc_lerf", "aopc_rel"):
            assert row[metric] == other[metric]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["comparr"], "No such command 'comparr' (did you mean 'compare'?)"),
        (["compare", "--epocs", "3"], "--epochs"),
        (
            ["compare", "--methods", "standard,scat"],
            "unknown method 'scat' (did you mean 'scaat'?)",
        ),
        (["compare", "--scaat.epsilon", "8"], "epsilon is 8.0, expected at most"),
        (["compare", "--scaat.epsilon", "a"], "'a' is not a number"),
        (["compare", "--scaat.initial-proportion", "2"], "initial_proportion is 2.0"),
        (["compare", "--epochs", "0"], "epochs is 0"),
        (["compare", "--data", "folder:nowhere"], "nowhere"),
        (["compare", "--devices", "2", "--strategy", "ddp"], "found several of strategy ddp"),
        (["compare", "--nodes", "2"], "found several of strategy ddp"),
        (["compare", "--data", "digits", "--scaat.region-size", "33"], "shortest side 32"),
        (["compare", "--data", "digits", "--eval-aopc-region-size", "33"], "shortest side 32"),
        (["train", "--data", "digits", "--scaat.region-size", "33"], "shortest side 32"),
        (["train", "--method", "scat"], "unknown method 'scat'"),
        (["train", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (["evaluate", "nowhere"], "nowhere"),
        (["report", "."], "results.json"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments[0] in ("compare", "train"):
        arguments = [*arguments, "--out", "out"]
    done = scaat(*arguments)
    assert done.status == 2
    assert message in done.err
    assert not list(tmp_path.iterdir())


def test_bad_data_is_named_and_nothing_is_written(images: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    for side in ("left", "right"):
        (broken / side).mkdir(parents=True)
        for path in (images / side).iterdir():
            (broken / side / path.name).write_bytes(path.read_bytes())
    (broken / "left" / "0.png").write_bytes(b"no image")
    out = tmp_path / "out"
    done = scaat("train", "--out", out, "--data", f"folder:{broken}", *QUICK)
    assert done.status == 2
    assert "0.png" in done.err
    assert not out.exists()


def test_evaluating_a_comparison_says_where_its_models_are(compared: Path) -> None:
    done = scaat("evaluate", compared)
    assert done.status == 2
    assert "models/" in done.err


def test_without_the_extra_the_command_says_so(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise ImportError('no click', name='click')")
    done = subprocess.run(
        [sys.executable, "-m", "scaat"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 2
    assert "pip install 'scaat[run]'" in done.stderr
