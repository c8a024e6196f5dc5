"""Gini index: inequality of the saliency over the pixels; high for a sparse map."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.functional.maps import check_maps
from scaat.functional.precision import widened


def gini(maps: Tensor) -> Tensor:
    """Return the Gini index of each saliency map.

    With the n pixels sorted in ascending order c_1 <= ... <= c_n (Hurley and Rickard,
    "Comparing Measures of Sparsity", 2009): 1 - 2 Σ_k (c_k / Σ_j c_j) (n - k + 1/2) / n. It is 0
    if all pixels are equal, 1 - 1/n if a single pixel holds everything, and 0 for a map of zeros.

    Args:
        maps: (N, H, W), series (N, L) or volumes (N, D, H, W); floating point, non-negative.

    Returns:
        float32 (N,), from 0 to 1 - 1/n.

    Raises:
        InputError: ``maps`` have an invalid shape or dtype, or a negative or non-finite value.
    """
    check_maps(maps)
    # float64, because the sum over all pixels is subtracted from 1.
    values = widened(maps.detach().flatten(1)).sort(dim=1).values
    n = values.shape[1]
    weights = (n - torch.arange(1, n + 1, device=maps.device, dtype=values.dtype) + 0.5) / n
    total = values.sum(1)
    index = 1 - 2 * (values @ weights) / torch.where(total > 0, total, 1)
    # The clamp removes rounding errors below 0 on constant maps.
    return torch.where(total > 0, index, 0).clamp(min=0).float()
