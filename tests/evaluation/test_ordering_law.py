"""On a model whose evidence is known, the oracle beats random maps in all that needs the truth.

Each image shows one bright square on dark noise, and its class is the quadrant it lies in. The
model compares the brightness of the quadrants, so the square is the whole evidence by construction.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from scaat.data import ImageSet
from scaat.evaluation import EvaluationOptions, evaluate

SIDE, HALF, SQUARE = 16, 8, 5
CLASSES = ("top left", "top right", "bottom left", "bottom right")
HIGHER = ("pointing_game", "energy_inside", "iou", "aopc_morf", "insertion", "road")
LOWER = ("aopc_lerf", "deletion")


class Quadrants(nn.Module):
    """Logits are ten times the mean brightness of the quadrants."""

    def forward(self, images: Tensor) -> Tensor:
        return 10 * nn.functional.avg_pool2d(images.mean(1, keepdim=True), HALF).flatten(1)


def bright_squares(count: int) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 26, (count, 3, SIDE, SIDE), generator=generator, dtype=torch.uint8)
    masks = torch.zeros(count, SIDE, SIDE, dtype=torch.bool)
    labels = torch.arange(count) % len(CLASSES)
    offsets = torch.randint(0, HALF - SQUARE + 1, (count, 2), generator=generator)
    for mask, label, (y, x) in zip(masks, labels.tolist(), offsets.tolist(), strict=True):
        y, x = y + label // 2 * HALF, x + label % 2 * HALF
        mask[y : y + SQUARE, x : x + SQUARE] = True
    images[masks.unsqueeze(1).expand_as(images)] = 230
    return ImageSet(images, labels, CLASSES, masks=masks)


@pytest.mark.parametrize("baseline", ["random", "mean", "zero"])
def test_oracle_beats_random_with_disjoint_intervals(baseline: str) -> None:
    options = EvaluationOptions(
        attributions=("random", "oracle"),
        also_measure=("insertion-deletion", "road"),
        images=64,
        aopc_baseline=baseline,
        deletion_baseline=baseline,
        insertion_baseline="zero",
        deletion_steps=16,
    )
    results = evaluate(Quadrants(), bright_squares(64), options).results
    oracle, random = results["oracle"].metrics, results["random"].metrics
    assert oracle["accuracy"]["value"] == 1.0
    for name in HIGHER:
        assert oracle[name]["low"] > random[name]["high"], name
    for name in LOWER:
        assert oracle[name]["high"] < random[name]["low"], name
