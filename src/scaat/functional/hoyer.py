"""Hoyer index: distance of the saliency from an even spread; high for a sparse map."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.functional.maps import check_maps, over_maximum
from scaat.functional.precision import widened


def hoyer(maps: Tensor) -> Tensor:
    """Return the Hoyer index of each saliency map.

    For the n pixels c (Hoyer, "Non-negative Matrix Factorization with Sparseness Constraints",
    2004): (√n - L1(c) / L2(c)) / (√n - 1), with L1 the sum and L2 the Euclidean norm. It
    is 0 if all pixels are equal, 1 if a single pixel holds everything, and independent of the
    map's scale. A map of zeros has 0, as for `gini`.

    Args:
        maps: (N, H, W), series (N, L) or volumes (N, D, H, W); floating point, non-negative. A map
            of one pixel has 0.

    Returns:
        float32 (N,), from 0 to 1.

    Raises:
        InputError: ``maps`` have an invalid shape or dtype, or a negative or non-finite value.
    """
    check_maps(maps)
    values = widened(maps.detach().flatten(1))
    values = over_maximum(values)  # so that no square underflows or overflows
    n = values.shape[1]
    if n == 1:
        return torch.zeros(len(maps), device=maps.device)
    length = values.square().sum(1).sqrt()
    ratio = values.sum(1) / torch.where(length > 0, length, 1)
    index = (n**0.5 - ratio) / (n**0.5 - 1)
    # The clamp removes rounding errors outside [0, 1].
    return torch.where(length > 0, index, 0).clamp(0, 1).float()
