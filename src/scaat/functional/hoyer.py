"""Hoyer index: how far the saliency is from an even spread; high for a sparse map."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.functional.maps import check_maps


def hoyer(maps: Tensor) -> Tensor:
    """Return the Hoyer index of each saliency map.

    For the n pixels c (Hoyer, "Non-negative Matrix Factorization with Sparseness Constraints",
    2004): (√n - L1(c) / L2(c)) / (√n - 1), with L1 the sum and L2 the length. It is 0 where all
    pixels are equal and 1 where a single one holds everything; a map's scale drops out. A map of
    zeros has no spread to measure; it counts as 0, as for `gini`.

    Args:
        maps: saliency maps (N, H, W), floating point, non-negative, of two pixels or more. (A
            single pixel is an even spread and all there is: 0.)

    Returns:
        float32 (N,), from 0 to 1.

    Raises:
        InputError: ``maps`` have another shape or type, or a negative or non-finite value.
    """
    check_maps(maps)
    values = maps.detach().flatten(1).double()
    # Divided by the maximum, so that no square underflows or overflows.
    peak = values.amax(1, keepdim=True)
    values = values / torch.where(peak > 0, peak, 1)
    n = values.shape[1]
    if n == 1:
        return torch.zeros(len(maps), device=maps.device)
    length = values.square().sum(1).sqrt()
    ratio = values.sum(1) / torch.where(length > 0, length, 1)
    index = (n**0.5 - ratio) / (n**0.5 - 1)
    # The clamp removes rounding beyond the ends.
    return torch.where(length > 0, index, 0).clamp(0, 1).float()
