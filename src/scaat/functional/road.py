"""ROAD: removal of ranked pixels, in both orders, that does not reveal the mask."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from scaat.functional.aopc import aopc, perturbation_curve
from scaat.functional.saliency import Predict

STEPS = 9
FRACTION = 0.9


def road_curves(
    predict: Predict,
    images: Tensor,
    maps: Tensor,
    *,
    region_size: int = 1,
    repeats: int = 1,
    seed: int = 0,
    image_ids: Tensor | None = None,
    batch_size: int = 512,
) -> dict[str, Tensor]:
    """Return the perturbation curves of ROAD (Rong et al. 2022), the input of `road`.

    Calls `scaat.functional.perturbation_curve` over 10 %, 20 %, ... 90 % of the regions with the
    baseline ``"noisy-linear"``: a removed pixel is the mean of its neighbours, which hides the
    shape of the removed part. A visible shape can reveal the class.

    Args:
        predict: maps images (B, C, H, W) to logits (B, classes); put models in eval mode.
        images: (N, C, H, W), floating point in [0, 1].
        maps: saliency maps (N, H, W), non-negative, on the device of ``images``.
        region_size: side of the square regions in pixels; 1 as in the original.
        repeats: draws of the noise per image. One is enough, because the noise is a hundredth
            of the pixel range.
        seed: of the noise, non-negative.
        image_ids: (N,) non-negative integers that name the images for the random numbers; the
            default is their position 0 ... N - 1.
        batch_size: perturbed images per forward pass; affects memory, not the result.

    Returns:
        ``"lerf"`` and ``"morf"``, float32 (N, 9), each value in [-1, 1].

    Raises:
        InputError: an argument has an invalid value or shape, or no region would remain.
    """
    return perturbation_curve(
        predict,
        images,
        maps,
        steps=STEPS,
        fraction=FRACTION,
        region_size=region_size,
        baseline="noisy-linear",
        repeats=repeats,
        seed=seed,
        image_ids=image_ids,
        batch_size=batch_size,
    )


def road(curves: Mapping[str, Tensor]) -> Tensor:
    """Return ROAD of each image: half of MoRF minus LeRF, averaged over the steps.

    The original reports the accuracy of a data set at each fraction, for one order. For a single
    image we use the predicted class's probability and combine both orders, (decay of MoRF - decay
    of LeRF) / 2, as ROADCombined of ``pytorch-grad-cam`` does. A model that is fragile or robust
    to any removal shifts both and gains nothing. An uninformative map has 0 on average.

    Args:
        curves: ``"lerf"`` and ``"morf"`` (..., steps), as `road_curves` returns them.

    Returns:
        (...), in [-1, 1]; higher is better.
    """
    return (aopc(curves["morf"]) - aopc(curves["lerf"])) / 2
