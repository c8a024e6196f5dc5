"""Insertion and deletion: the prediction as the most relevant pixels appear or disappear."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.functional.aopc import check_protocol
from scaat.functional.removal import (
    Removal,
    check_removable,
    count_regions,
    probabilities,
    replaced_regions,
)
from scaat.functional.saliency import Predict


def insertion_deletion(
    predict: Predict,
    images: Tensor,
    maps: Tensor,
    *,
    steps: int = 50,
    region_size: int = 1,
    insertion_baseline: str = "blur",
    deletion_baseline: str = "zero",
    repeats: int = 5,
    seed: int = 0,
    image_ids: Tensor | None = None,
    batch_size: int = 512,
) -> dict[str, Tensor]:
    """Return the predicted class's probability as regions are inserted and deleted.

    At point k = 0 ... ``steps``, the ``round(k / steps * R)`` most relevant of an image's R regions
    are shown on ``insertion_baseline`` (insertion), or replaced by ``deletion_baseline``
    (deletion); Petsiuk, Das and Saenko 2018. The value is the softmax probability of the class
    predicted for the clean image, which is deletion's first point and insertion's last. A faithful
    map has a large area under the insertion curve and a small one under the deletion curve
    (`area_under_curve`). Ties and random numbers are those of `perturbation_curve`.

    Args:
        predict: see `perturbation_curve`.
        images: see `perturbation_curve`.
        maps: see `perturbation_curve`.
        steps: of the curves; more than AOPC's, because the probability often changes within the
            first few percent. The original has 224 for side 224.
        region_size: see `perturbation_curve`.
        insertion_baseline: background of the inserted regions, a name of
            `scaat.functional.baselines`. Blur adds no new edges; the original's is narrower,
            5 pixels at 224.
        deletion_baseline: replacement of the deleted regions; zero, as in the original.
        repeats: random images per image for a random baseline; other baselines take one pass.
        seed: see `perturbation_curve`.
        image_ids: see `perturbation_curve`.
        batch_size: see `perturbation_curve`.

    Returns:
        ``"insertion"`` and ``"deletion"``, float32 (N, steps + 1), probabilities.

    Raises:
        InputError: an argument has an invalid value or shape, or a baseline needs remaining pixels
            (``"noisy-linear"``): all are replaced here.
    """
    for baseline in (insertion_baseline, deletion_baseline):
        check_protocol(steps, 1.0, region_size, repeats, baseline)
    check_removable(images, maps, region_size)
    regions = count_regions(images, region_size)
    counts = [0, *replaced_regions(steps, 1.0, regions)]
    clean, (inserted, deleted) = probabilities(
        predict,
        images,
        maps,
        [
            # The regions not yet inserted are the least relevant ones.
            Removal(insertion_baseline, ("lerf",), tuple(regions - count for count in counts[:-1])),
            Removal(deletion_baseline, ("morf",), tuple(counts[1:])),
        ],
        region_size=region_size,
        repeats=repeats,
        first_repeat=0,
        seed=seed,
        image_ids=image_ids,
        batch_size=batch_size,
    )
    end = clean.unsqueeze(1)
    return {
        "insertion": torch.cat([inserted[:, 0].mean(1), end], dim=1),
        "deletion": torch.cat([end, deleted[:, 0].mean(1)], dim=1),
    }


def area_under_curve(curve: Tensor) -> Tensor:
    """Return the area under each curve over fractions 0 to 1 by the trapezoid rule.

    Args:
        curve: (..., steps + 1), equally spaced, as `insertion_deletion` returns it.

    Returns:
        (...), between the curve's minimum and maximum.
    """
    return torch.trapezoid(curve, dx=1 / (curve.shape[-1] - 1))
