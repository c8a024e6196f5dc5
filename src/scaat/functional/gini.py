"""Gini index: how unequally the saliency is spread over the pixels; high for a sparse map."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.functional.maps import check_maps


def gini(maps: Tensor) -> Tensor:
    """Return the Gini index of each saliency map.

    With the n pixels sorted in ascending order c_1 <= ... <= c_n (Hurley and Rickard,
    "Comparing Measures of Sparsity", 2009): 1 - 2 Σ_k (c_k / Σ_j c_j) (n - k + 1/2) / n. It is 0
    where all pixels are equal and 1 - 1/n where a single one holds everything. A map of zeros has
    no spread to measure; it counts as 0.

    Args:
        maps: saliency maps (N, H, W), floating point, non-negative.

    Returns:
        float32 (N,), from 0 to 1 - 1/n.

    Raises:
        InputError: ``maps`` have another shape or type, or a negative or non-finite value.
    """
    check_maps(maps)
    # float64: the sum runs over every pixel, and its result is subtracted from 1.
    values = maps.detach().flatten(1).double().sort(dim=1).values
    n = values.shape[1]
    weights = (n - torch.arange(1, n + 1, device=maps.device, dtype=torch.float64) + 0.5) / n
    total = values.sum(1)
    index = 1 - 2 * (values @ weights) / torch.where(total > 0, total, 1)
    # The clamp removes rounding below 0 on maps of equal values.
    return torch.where(total > 0, index, 0).clamp(min=0).float()
