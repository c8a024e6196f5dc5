"""``scaat share`` and ``export`` as a user runs them, and commands that take what they wrote."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scaat.cli import main
from scaat.cli.models import run_source
from scaat.sharing import load_shared

Run = Callable[..., tuple[int, str]]
QUICK = ["--model", "nets:tiny", "--epochs", "1", "--batch-size", "16", "--precision", "32"]
MEASURE = [
    *("--eval-images", "4", "--eval-aopc-steps", "2", "--eval-aopc-repeats", "2"),
    *("--eval-bootstrap-resamples", "100", "--eval-attributions", "gradient"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for number in range(40):
        path = folder / ("left", "right")[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(path)
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        arguments = ["train", "--method", "standard", "--data", f"folder:{data}", "--out", str(out)]
        patch.setattr(sys, "argv", ["scaat", *arguments, *QUICK])
        main()
    return out


@pytest.fixture
def shared(run: Path, tmp_path: Path, scaat: Run) -> Path:
    out = tmp_path / "shared"
    status, said = scaat("share", run, "--out", out, "--licence", "mit")
    assert (status, said) == (0, f"Shared model: {out}\n")
    return out


def test_explain_takes_a_shared_model(shared: Path, run: Path, data: Path, scaat: Run) -> None:
    images = torch.rand(3, 3, 12, 12)
    of_run, of_shared = run_source(run), run_source(shared)
    assert torch.equal(of_run.model(images), of_shared.model(images))
    assert (of_run.classes, of_run.image_size) == (of_shared.classes, of_shared.image_size)
    out = shared.parent / "explained"
    status, said = scaat("explain", data / "left", "--run", shared, "--run", run, "--out", out)
    assert status == 0, said
    shown = json.loads((out / "explanations.json").read_text())["explanations"]
    probabilities = [record["probability"] for record in shown]
    assert probabilities[::2] == probabilities[1::2]


def test_evaluate_takes_a_shared_model(shared: Path, run: Path, data: Path, scaat: Run) -> None:
    """It measures what the run's own model does, on the same split."""
    folders = shared.parent / "of-run", shared.parent / "of-shared"
    status, said = scaat("evaluate", run, "--out", folders[0], *MEASURE)
    assert status == 0, said
    given = ["--data", f"folder:{data}", "--out", folders[1]]
    status, said = scaat("evaluate", shared, *given, *MEASURE)
    assert status == 0, said
    first, second = (json.loads((f / "results.json").read_text())["rows"][0] for f in folders)
    for key in ("method", "model", "seed", "accuracy", "entropy", "gini", "aopc_lerf", "curves"):
        assert first[key] == second[key], key
    assert second["train_seconds"] == first["train_seconds"]
    assert scaat("report", *folders[1:], "--out", shared.parent / "report")[0] == 0


@pytest.mark.slow
def test_export(shared: Path, run: Path, scaat: Run, tmp_path: Path) -> None:
    for source, name in ((shared, "a.pt2"), (run, "b.pt2")):
        path = tmp_path / name
        status, said = scaat("export", source, "--format", "torch-export", "--out", path)
        assert status == 0, said
        assert said.startswith(f"{path}: differs from the model by at most 0.0e+00")
        images = torch.rand(3, 3, 12, 12)
        (logits,) = torch.export.load(path).module()(images)
        torch.testing.assert_close(logits, load_shared(shared).model(images))


def test_results_as_json(shared: Path, run: Path, scaat: Run, tmp_path: Path) -> None:
    folder, file = tmp_path / "given", tmp_path / "model.pt2"
    status, said = scaat("share", run, "--out", folder, "--json")
    assert (status, json.loads(said)) == (
        0,
        {"command": "share", "out": str(folder), "sent": None},
    )
    status, said = scaat("export", shared, "--format", "torch-export", "--out", file, "--json")
    actual = json.loads(said)
    assert (status, actual["out"], actual["largest_difference"]) == (0, str(file), 0.0)


def test_wrong_use_is_told_in_a_sentence(
    shared: Path, run: Path, data: Path, scaat: Run, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    onnx = ["--format", "onnx", "--out", new]
    given = ["--data", f"folder:{data}", "--out", new]
    (tmp_path / "old").touch()
    for arguments, message in (
        (["share", run, "--out", shared], "expected a new or empty folder"),
        (["share", shared, "--out", new], "expected the folder of a run"),
        (["share", run, "--out", new, "--method", "scaat"], "unknown method"),
        (["share", run, "--out", new, "--repo-id", "me"], "expected user/name"),
        (["share", run, "--out", new, "--private"], "--private goes with --repo-id"),
        (["export", data, *onnx], "expected the folder of a run"),
        (["export", shared, *onnx, "--method", "scaat"], "--method goes with a comparison"),
        (["export", run, *onnx[:3], tmp_path / "old"], "expected the name of a new file"),
        (["evaluate", shared], "needs --out"),
        (["evaluate", shared, *given, "--model", "vgg16"], "--model goes with a checkpoint"),
        (["evaluate", shared, *given, "--random-labels-run", run], "takes no --random-labels-run"),
        (["evaluate", shared, "--data", "digits", "--out", new], "its classes is"),
        (["evaluate", shared, *given, "--image-size", 10], "its image size is"),
    ):
        status, said = scaat(*arguments)
        assert status == 2, arguments
        assert message in said
        assert "Traceback" not in said
        assert not new.exists()
    (shared / "model.safetensors").write_bytes(b"x")
    for command in (["export", shared, *onnx], ["evaluate", shared, *given]):
        status, said = scaat(*command)
        assert status == 2
        assert "is damaged or was changed" in said
