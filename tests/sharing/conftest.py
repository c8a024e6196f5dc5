"""A small comparison, trained and measured by the command line, with awkward names."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scaat.cli import main

CLASSES = ("<b>left & co", "[right](x) | *y* `z`")
"""What a class's folder may be called."""

QUICK = (
    "--methods standard,scaat --model nets:tiny --epochs 1 --batch-size 16 --precision 32 "
    "--scaat.steps 1 --scaat.weight 5 --scaat.search-interval 1 "
    "--eval-images 4 --eval-aopc-steps 3 --eval-aopc-repeats 2 --eval-examples 2 "
    "--eval-bootstrap-resamples 100 --eval-attributions gradient,input-x-gradient"
)


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of ``scaat compare``; its data lie in a folder whose path is nobody's business."""
    images = tmp_path_factory.mktemp("secret") / "moles"
    rng = np.random.default_rng(0)
    for number in range(40):
        side = number % 2
        pixels = rng.integers(0, 100, (12, 12, 3), dtype=np.uint8)
        pixels[:, 6 * side : 6 * side + 6] += 100
        path = images / CLASSES[side] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    out = tmp_path_factory.mktemp("runs") / "compared"
    with pytest.MonkeyPatch.context() as patch:
        arguments = ["compare", "--data", f"folder:{images}", "--out", str(out)]
        patch.setattr(sys, "argv", ["scaat", *arguments, *QUICK.split()])
        main()
    return out
