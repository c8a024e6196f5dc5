"""Bounds that look at no model: the ground truth as a map, and random maps."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from scaat.attribution.method import Query, attributions, reference_map
from scaat.errors import InputError

_STREAM = 0x6D617073  # apart from the random pixels of AOPC, which have the same seed and numbers


@attributions.register("oracle")
@reference_map
def oracle(query: Query) -> Tensor:
    """Return the masks as maps of zeros and ones, without looking at the model.

    Raises:
        InputError: there are no masks, or not one bool (H, W) for each image.
    """
    n, _, height, width = query.images.shape
    masks = query.masks
    if masks is None:
        raise InputError(
            "the attribution 'oracle' needs the masks of what is to be found, and none are given"
        )
    if masks.shape != (n, height, width) or masks.dtype != torch.bool:
        raise InputError(
            f"the masks of images of shape {tuple(query.images.shape)} must be bool of shape "
            f"{(n, height, width)}, found {masks.dtype} of shape {tuple(masks.shape)}"
        )
    return masks.to(query.images)


@attributions.register("random")
@reference_map
def random_map(query: Query, *, seed: int = 0) -> Tensor:
    """Return independent uniform values in [0, 1) for every pixel, without looking at the model.

    They come from NumPy's ``default_rng`` of the seed and the image's number, and depend on
    nothing else.

    Args:
        query: the images and their numbers.
        seed: non-negative.
    """
    if seed < 0:
        raise InputError(f"the seed of random maps must be 0 or more, found {seed}")
    size = tuple(query.images.shape[2:])
    maps = [np.random.default_rng([seed, int(n), _STREAM]).random(size) for n in query.image_ids]
    return torch.from_numpy(np.stack(maps)).to(query.images)
