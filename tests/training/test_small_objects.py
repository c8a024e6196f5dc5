"""A small object decides the class: a constant weight destroys what the defaults keep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from scaat.data import Augmentation, DataSplits, ImageSet
from scaat.options import TrainingOptions
from scaat.training import fit

OPTIONS = TrainingOptions(epochs=8, batch_size=32, precision="32", accelerator="cpu")


def drawn(count: int, seed: int) -> ImageSet:
    """Grey noise with a spot of 3 x 3 pixels somewhere, red or blue."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(64, 192, (count, 3, 24, 24), generator=generator, dtype=torch.uint8)
    labels = torch.arange(count) % 2
    for image, label in zip(images, labels, strict=True):
        row, column = torch.randint(0, 21, (2,), generator=generator)
        spot = torch.tensor([200, 60, 60] if label else [60, 60, 200], dtype=torch.uint8)
        image[:, row : row + 3, column : column + 3] = spot.view(3, 1, 1)
    return ImageSet(images, labels, ("blue", "red"))


@pytest.mark.slow
def test_an_unclipped_constant_weight_destroys_what_the_defaults_keep(tmp_path: Path) -> None:
    splits = DataSplits(
        "spots", drawn(640, 0), drawn(200, 1), drawn(200, 2), Augmentation(), settings={}
    )

    def accuracy(name: str, method: str, fields: dict[str, Any], clip: float = 1.0) -> float:
        folder, options = tmp_path / name, replace(OPTIONS, clip_gradient=clip)
        trained = fit(splits, method, fields, options, seed=0, folder=folder, quiet=True)
        return float(trained.summary["val_accuracy"])

    standard = accuracy("standard", "standard", {})
    constant = accuracy("constant", "scaat", {"weight": 5.0}, clip=0)
    budgeted = accuracy("budgeted", "scaat", {})
    assert standard > 0.95
    assert constant < standard - 0.1
    assert budgeted > standard - 0.02
