"""ROAD: removal of ranked pixels that leaves no trace of the mask, in both orders."""

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
    numbers: Tensor | None = None,
    batch_size: int = 512,
) -> dict[str, Tensor]:
    """Return the perturbation curves of ROAD (Rong et al. 2022), from which `road` is taken.

    These are `scaat.functional.perturbation_curve` over 10 %, 20 %, ... 90 % of the regions, with
    the fill ``"noisy-linear"``: a removed pixel is the mean of its neighbours, so the shape of
    the removed part, which gives the class away where it stands out, is hardly seen.

    Args:
        predict: maps images (B, C, H, W) to logits (B, classes); a model belongs in eval mode.
        images: (N, C, H, W), floating point in [0, 1].
        maps: saliency maps (N, H, W), non-negative, on the device of ``images``.
        region_size: side of the square regions in pixels; 1 as in the original.
        repeats: draws of the noise for each image. It is a hundredth of the range of pixels, so
            one draw says nearly as much as several.
        seed: of the noise, non-negative.
        numbers: (N,) non-negative integers that name the images for the random numbers; the
            default is their position 0 ... N - 1.
        batch_size: perturbed images in a forward pass. Memory grows with it, the result does
            not change.

    Returns:
        ``"lerf"`` and ``"morf"``, float32 (N, 9), each value in [-1, 1].

    Raises:
        InputError: an argument is out of range or of another shape, or the images have too few
            regions for one to be left.
    """
    return perturbation_curve(
        predict,
        images,
        maps,
        steps=STEPS,
        fraction=FRACTION,
        region_size=region_size,
        fill="noisy-linear",
        repeats=repeats,
        seed=seed,
        numbers=numbers,
        batch_size=batch_size,
    )


def road(curves: Mapping[str, Tensor]) -> Tensor:
    """Return ROAD of each image: half of what MoRF loses more than LeRF, averaged over the steps.

    The original reports the accuracy of a data set at each fraction for one order. A value of an
    image must weigh both: only the most relevant pixels should matter (MoRF decays, LeRF does
    not), and a model that is fragile, or robust, to any removal gains nothing from either part
    alone, since it shifts both. So we take (decay of MoRF - decay of LeRF) / 2, with the predicted
    class's probability for the accuracy, which an image does not have. That is ROADCombined of
    the widely used ``pytorch-grad-cam``. A map that says nothing has 0 on average.

    Args:
        curves: ``"lerf"`` and ``"morf"`` (..., steps), as `road_curves` returns them.

    Returns:
        (...), in [-1, 1]; higher is better.
    """
    return (aopc(curves["morf"]) - aopc(curves["lerf"])) / 2
