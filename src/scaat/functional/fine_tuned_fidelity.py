"""F-Fidelity: the prediction as a few pixels of the map's best, or of its worst, are missing."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from scaat.errors import InputError
from scaat.functional.baselines import fixed_baseline
from scaat.functional.checks import check_at_least, check_fraction, check_positive, image_id_list
from scaat.functional.removal import (
    ORDERS,
    check_removable,
    pixel_ranks,
    predicted_class,
    scores_without,
)
from scaat.functional.saliency import Predict


@torch.no_grad()
def fine_tuned_fidelity(
    predict: Predict,
    images: Tensor,
    maps: Tensor,
    *,
    fraction: float = 0.5,
    cap: float = 0.1,
    steps: int = 10,
    draws: int = 10,
    baseline: str = "mean",
    seed: int = 0,
    image_ids: Tensor | None = None,
    batch_size: int = 64,
) -> dict[str, Tensor]:
    """Return the fall of the predicted class's probability without random explained pixels.

    Zheng et al. 2025 (arXiv 2410.02970). At step k = 1 ... ``steps`` the ``round(k / steps * P)``
    most relevant of an image's P pixels are its explanation (``"morf"``, F-Fidelity+), or the least
    relevant (``"lerf"``, F-Fidelity-). Each of them is missing with a probability of ``fraction``,
    or with a smaller one that makes ``cap`` of the image's pixels missing on average. A faithful
    map has a high curve ``"morf"`` and a low one ``"lerf"``; both end in the same value.

    It is the source's measure if ``predict`` has been fine-tuned on images of which a random
    fraction ``cap`` of the pixels is missing, so that neither a gap nor a training against gaps
    decides. The source replaces by the data's mean colour, and measures the fall of the accuracy or
    of the probability.

    Each image has its own random numbers, from NumPy's ``default_rng([seed, number])``: an order of
    equal values, then uniform numbers for each draw, which all steps and both orders share.

    Args:
        predict: See `perturbation_curve`.
        images: See `perturbation_curve`.
        maps: See `perturbation_curve`.
        fraction: Greatest fraction of the explanation that is missing, in (0, 1]; 0.5 as in the
            source.
        cap: Greatest fraction of the image that is missing, in (0, 1]; 0.1 as in the source.
        steps: Sizes of the explanation, at least 1.
        draws: Random sets for each size, at least 1. The source takes 20 sizes and 50 draws.
        baseline: What replaces the pixels: ``"mean"``, ``"blur"`` or ``"zero"``.
        seed: Of the random numbers, non-negative.
        image_ids: (N,) non-negative integers that name the images; 0 ... N - 1 by default.
        batch_size: Images in a forward pass; affects memory, not the result.

    Returns:
        ``"lerf"`` and ``"morf"``, float32 (N, steps), in [-1, 1].

    Raises:
        InputError: An argument has an invalid value or shape.
    """
    check_removable(images, maps, 1)
    for what, value in (("fraction", fraction), ("cap", cap)):
        check_fraction(value, what)
        check_positive(value, what)
    check_at_least(1, steps=steps, draws=draws, batch_size=batch_size)
    check_at_least(0, seed=seed)
    chosen = fixed_baseline(baseline)
    pixels = maps[0].numel()
    sizes = torch.tensor([round(k / steps * pixels) for k in range(1, steps + 1)])
    if sizes[0] == 0:
        raise InputError(f"{steps} steps of {pixels} pixels: the first explains none of them")
    rates = (cap * pixels / sizes).clamp_max(fraction).to(images.device)
    sizes = sizes.to(images.device)
    clean, targets = predicted_class(predict, images, batch_size)
    names = image_id_list(image_ids, len(images))
    curves = []
    for image, saliency, name, before, target in zip(
        images, maps, names, clean, targets, strict=True
    ):
        generator = np.random.default_rng([seed, name])
        ties = torch.from_numpy(generator.permutation(pixels)).to(images.device)
        numbers = torch.from_numpy(generator.random((draws, pixels), dtype=np.float32))
        numbers = numbers.to(images.device)
        ranks = pixel_ranks(saliency.unsqueeze(0), ties.unsqueeze(0), ORDERS, 1)[0].flatten(1)
        explained = ranks.unsqueeze(1) < sizes.view(-1, 1)  # (orders, steps, pixels)
        missing = numbers < rates.view(-1, 1, 1)  # (steps, draws, pixels)
        removed = (explained.unsqueeze(2) & missing).view(-1, *saliency.shape)
        left = scores_without(predict, image, removed, target, chosen, batch_size, "probability")
        curves.append(before - left.view(len(ORDERS), steps, draws).mean(2))
    return dict(zip(ORDERS, torch.stack(curves, 1).float(), strict=True))
