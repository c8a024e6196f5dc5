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

    They are those of `scaat.functional.perturbation_curve` over 10 %, 20 %, ... 90 % of the regions
    of images (N, C, H, W), with the baseline ``"noisy-linear"``: a removed pixel is the mean of its
    neighbours, which hides the shape of the removed part. A visible shape can reveal the class.

    Args:
        predict: see `perturbation_curve`.
        images: see `perturbation_curve`.
        maps: see `perturbation_curve`.
        region_size: side of the square regions in pixels; 1 as in the original.
        repeats: draws of the noise per image. One is enough, as it is a hundredth of the range.
        seed: see `perturbation_curve`.
        image_ids: see `perturbation_curve`.
        batch_size: see `perturbation_curve`.

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

    From curves (..., steps), as `road_curves` returns them, it is (...), in [-1, 1]; higher is
    better.
    """
    return (aopc(curves["morf"]) - aopc(curves["lerf"])) / 2
