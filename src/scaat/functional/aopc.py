"""AOPC: decrease of the predicted probability while ranked regions are replaced."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from scaat.errors import InputError
from scaat.functional.baselines import find_baseline
from scaat.functional.removal import (
    ORDERS,
    Removal,
    check_orders,
    check_removable,
    count_regions,
    probabilities,
    replaced_regions,
)
from scaat.functional.saliency import Predict


def perturbation_curve(
    predict: Predict,
    images: Tensor,
    maps: Tensor,
    *,
    orders: Sequence[str] = ORDERS,
    steps: int = 20,
    fraction: float = 0.2,
    region_size: int = 1,
    baseline: str = "random",
    repeats: int = 5,
    first_repeat: int = 0,
    seed: int = 0,
    image_ids: Tensor | None = None,
    batch_size: int = 512,
) -> dict[str, Tensor]:
    """Return the decrease of the predicted class's probability as regions are replaced.

    Step k replaces the first ``round(k / steps * fraction * R)`` of an image's R regions, least
    relevant first (``"lerf"``) or most relevant first (``"morf"``). By default uniform random
    pixels, independent in all channels, replace them (Samek et al. 2017; Tomsett et al. 2020; the
    paper, section 4.2: 20 steps, 20 %, 5 repeats). The value is f(x) - f(x^(k)), averaged over the
    repeats; f is the softmax probability of the class predicted for the clean image. A repeat
    draws one random image, which the steps reveal gradually.

    Each image has its own random numbers, NumPy's ``default_rng([seed, number])``: a permutation
    of the regions for ties, then the pixels (C, ...) of each repeat. Batch size, device and
    other images do not change them, and both orders share them: a constant map has equal curves.

    Args:
        predict: maps images (B, C, ...) to logits (B, classes), or (B, 1) for one logit; a model
            belongs in eval mode here.
        images: (N, C, H, W), series (N, C, L) or volumes (N, C, D, H, W), floating point in [0, 1].
        maps: of that shape without channels, (N, H, W) for images; non-negative, on their device.
        orders: which curves, ``"lerf"`` and ``"morf"``.
        steps: points of a curve.
        fraction: fraction of the regions replaced at the last step, in (0, 1].
        region_size: side of the square (or cubic) regions in pixels, smaller at the end of a side;
            1 replaces single pixels. A region's saliency is the mean over its pixels.
        baseline: ``"random"`` pixels, the image's ``"mean"`` per channel, its ``"blur"``
            (`scaat.functional.blur`), ``"zero"``, or ``"noisy-linear"`` imputation from the
            remaining pixels, one or more, of images (N, C, H, W) (`scaat.functional.baselines`).
        repeats: random images per image. A baseline that is not random takes one pass.
        first_repeat: of the image's random ones: the means over repeats 0 to 4 and over 5 to 9
            (``first_repeat=5``) average to the mean of ``repeats=10``.
        seed: of the random pixels, non-negative.
        image_ids: (N,) non-negative integers that name the images; 0 ... N - 1 by default.
        batch_size: perturbed images per forward pass; affects memory, not the result.

    Returns:
        Curves by order, float32 (N, steps), values in [-1, 1].

    Raises:
        InputError: an argument has an invalid value or shape.
    """
    check_protocol(steps, fraction, region_size, repeats, baseline)
    check_orders(orders)
    check_removable(images, maps, region_size)
    regions = count_regions(images, region_size)
    counts = replaced_regions(steps, fraction, regions)
    removal = Removal(baseline, tuple(orders), tuple(counts))
    before, [after] = probabilities(
        predict,
        images,
        maps,
        [removal],
        region_size=region_size,
        repeats=repeats,
        first_repeat=first_repeat,
        seed=seed,
        image_ids=image_ids,
        batch_size=batch_size,
    )
    decay = (before.view(-1, 1, 1, 1) - after).mean(2)
    return dict(zip(orders, decay.unbind(1), strict=True))


def aopc(curve: Tensor) -> Tensor:
    """Return the area over the perturbation curve of each image: the mean over its steps.

    Args:
        curve: (..., steps), as `perturbation_curve` returns it.

    Returns:
        (...), in [-1, 1].
    """
    return curve.mean(-1)


def check_protocol(
    steps: int, fraction: float, region_size: int, repeats: int, baseline: str = "random"
) -> None:
    """Raise `InputError` unless these settings of `perturbation_curve` fit some image."""
    for name, value in (("steps", steps), ("region_size", region_size), ("repeats", repeats)):
        if value < 1:
            raise InputError(f"{name} of the perturbation curve must be 1 or more, found {value}")
    if not 0 < fraction <= 1:
        raise InputError(
            f"fraction of the perturbation curve must be in (0, 1], found {fraction:g}"
        )
    find_baseline(baseline)
