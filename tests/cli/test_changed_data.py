"""A run whose folder of images has changed: its test part would hold training images."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.cli.inside import Done, scaat, write_images

from scaat.training.checkpoint import checkpoints
from scaat.training.same_data import LABELS

TRAIN = [
    *("--model", "nets:tiny", "--epochs", 1, "--batch-size", 16, "--precision", 32),
    *("--method", "standard"),
]
EVALUATE = [
    *("--eval-images", 4, "--eval-aopc-steps", 2, "--eval-aopc-repeats", 1),
    *("--eval-attributions", "gradient", "--eval-bootstrap-resamples", 100, "--quiet"),
]
SAID = "are no longer those of the training in"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_images(tmp_path / "images", ("a", 20), ("b", 20))


@pytest.fixture
def run(images: Path, tmp_path: Path) -> Path:
    assert train(tmp_path / "run", images).status == 0
    return tmp_path / "run"


def train(out: Path, images: Path, *more: object) -> Done:
    data = ("--data", f"folder:{images}")
    return scaat("train", "--out", out, *data, *TRAIN, *more, on_warning="ignore")


def grow(images: Path) -> Path:
    """Copy an image to a name that comes first."""
    return Path(shutil.copy(images / "a" / "0.png", images / "a" / "!.png"))


def test_evaluate_refuses_changed_data(run: Path, images: Path, tmp_path: Path) -> None:
    added = grow(images)
    done = scaat("evaluate", run, *EVALUATE, on_warning="ignore")
    assert done.status == 2
    assert SAID in done.err
    assert not (run / "evaluation").exists()
    added.unlink()
    assert scaat("evaluate", run, *EVALUATE, on_warning="ignore").status == 0
    # Runs of versions that recorded nothing are measured as before.
    grow(images)
    (run / LABELS).unlink()
    more = ("--out", tmp_path / "out")
    assert scaat("evaluate", run, *EVALUATE, *more, on_warning="ignore").status == 0


def test_a_training_is_not_resumed_on_changed_data(run: Path, images: Path) -> None:
    kept = (run / "model.pt").read_bytes()
    grow(images)
    done = train(run, images, "--resume")
    assert done.status == 2
    assert SAID in done.err
    assert (run / "model.pt").read_bytes() == kept
    for path in checkpoints(run):  # nothing was trained yet: these are its data
        path.unlink()
    assert train(run, images, "--resume").status == 0
    assert scaat("evaluate", run, *EVALUATE, on_warning="ignore").status == 0


def test_random_labels_are_the_same_data(images: Path, tmp_path: Path) -> None:
    for name, flags in (("true", []), ("random", ["--random-labels"])):
        assert train(tmp_path / name, images, *flags).status == 0
    one, other = ((tmp_path / name / LABELS).read_text() for name in ("true", "random"))
    assert one == other


def test_the_page_has_no_test_images_of_changed_data(
    run: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gradio")
    pages: list[Any] = []
    monkeypatch.setattr("scaat.cli.app.serve", lambda explorer, *_: pages.append(explorer))
    assert SAID not in scaat("app", run, on_warning="ignore").err
    grow(images)
    assert SAID in " ".join(scaat("app", run, on_warning="ignore").err.split())
    assert [len(page.examples) for page in pages] == [8, 0]
