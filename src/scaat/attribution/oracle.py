"""Oracle: the ground truth as a map, the upper bound of every measure of localisation."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.attribution.method import Query, reference_map
from scaat.attribution.registry import attributions
from scaat.errors import InputError


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
