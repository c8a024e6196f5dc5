"""Sensitivity-n: does the saliency of random sets of pixels follow the prediction's fall?"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from scaat.errors import InputError
from scaat.functional.baselines import fixed_baseline
from scaat.functional.checks import check_at_least, check_fraction, image_id_list
from scaat.functional.precision import widened
from scaat.functional.removal import check_removable, scores_without
from scaat.functional.saliency import Predict


@torch.no_grad()
def sensitivity_n(
    predict: Predict,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    *,
    fraction: float = 0.1,
    subsets: int = 100,
    baseline: str = "mean",
    seed: int = 0,
    image_ids: Tensor | None = None,
    batch_size: int = 64,
) -> Tensor:
    """Return the correlation of pixels' saliency with the logit's fall without them.

    Ancona et al. 2018 (arXiv 1711.06104): Pearson's correlation, over random sets of n pixels of
    an image, of the set's sum of saliency with the fall of the target's logit as the set is
    replaced. The source plots it against n and removes by zeros after normalisation; this is the
    value at one n, with the image's mean in the place of the pixels. Its attributions keep their
    sign; maps here are absolute values, which suit infidelity (Yeh et al. 2019) less: it compares
    signed attributions with the fall itself, in squared units of the logit.

    Each image has its own random sets, from NumPy's ``default_rng([seed, number])``; batch size
    and device do not change them, and more sets extend fewer.

    Args:
        predict: Images (B, C, H, W) to logits (B, classes), or (B, 1) for one logit, in eval mode.
        images: (N, C, H, W), floating point in [0, 1].
        maps: Saliency maps (N, H, W) of the targets, non-negative.
        targets: int64 (N,), the classes whose logit is followed.
        fraction: Of the pixels in a set, in [0, 1]; the number is rounded.
        subsets: Sets for each image, at least 2; 100 as in the source.
        baseline: What replaces the pixels: ``"mean"``, ``"blur"`` or ``"zero"``.
        seed: Of the sets, non-negative.
        image_ids: (N,) non-negative integers that name the images; 0 ... N - 1 by default.
        batch_size: Images in a forward pass; affects memory, not the result.

    Returns:
        float32 (N,), from -1 to 1, higher is better; NaN where all sets have equal saliency or no
        set changes the logit.

    Raises:
        InputError: An argument has an invalid value or shape.
    """
    check_removable(images, maps, 1)
    check_fraction(fraction, "fraction")
    chosen = fixed_baseline(baseline)
    check_at_least(2, subsets=subsets)
    check_at_least(1, batch_size=batch_size)
    check_at_least(0, seed=seed)
    pixels = maps[0].numel()
    count = round(fraction * pixels)
    if not 0 < count < pixels:
        raise InputError(
            f"a fraction of {fraction:g} of {pixels} pixels is {count} of them; expected at least "
            "one, and not all"
        )
    values = []
    for image, saliency, target, name in zip(
        images, maps, targets, image_id_list(image_ids, len(images)), strict=True
    ):
        generator = np.random.default_rng([seed, name])
        removed = torch.zeros(subsets, pixels, dtype=torch.bool)
        for row in removed:
            row[generator.choice(pixels, count, replace=False, shuffle=False)] = True
        removed = removed.to(image.device)
        # The clean image first, with nothing removed.
        masks = torch.cat([torch.zeros_like(removed[:1]), removed]).view(-1, *maps.shape[1:])
        logits = widened(scores_without(predict, image, masks, target, chosen, batch_size))
        sums = widened(removed) @ widened(saliency.flatten())
        values.append(torch.corrcoef(torch.stack([sums, logits[0] - logits[1:]]))[0, 1])
    return torch.stack(values).float()
