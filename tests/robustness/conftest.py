"""Small images, and a model trained on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.robustness.command_line import scaat


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 images of 12 x 12 pixels as PNG and JPEG, the brighter class on the left or right."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number in range(24):
        pixels = rng.integers(0, 100, (12, 12, 3), dtype=np.uint8)
        side = number % 2
        pixels[:, 6 * side : 6 * side + 6] += 100
        path = folder / ("left", "right")[side] / f"{number}.{('png', 'jpg')[number % 3 == 0]}"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


@pytest.fixture(scope="session")
def trained(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a model was trained and measured."""
    out = tmp_path_factory.mktemp("runs") / "trained"
    data = ["--data", f"folder:{images}", "--model", "nets:plain", "--precision", "32"]
    done = scaat("train", "--out", out, *data, "--epochs", 2, "--batch-size", 8)
    assert done.status == 0, done
    quick = ["--eval-images", 4, "--eval-aopc-steps", 2, "--eval-aopc-repeats", 1]
    done = scaat(
        "evaluate", out, "--out", out / "measured", *quick, "--eval-attributions", "gradient"
    )
    assert done.status == 0, done
    return out
