"""Spearman's rank correlation of two saliency maps: whether they order the pixels alike."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.errors import InputError
from scaat.functional.maps import check_maps


def spearman(maps: Tensor, other: Tensor) -> Tensor:
    """Return the rank correlation of each map with the other map of the same image.

    Pearson's correlation of the pixels' ranks; pixels of equal value share the mean of their
    ranks. Only the order of the pixels counts: neither scale nor sharpness of a map does.

    Args:
        maps: saliency maps (N, H, W), floating point, non-negative.
        other: maps to compare with, as ``maps``: the same images by another model or method.

    Returns:
        float32 (N,), from -1 to 1; NaN where one of the maps has equal pixels only (also zeros),
        which have no order, as `scipy.stats.spearmanr` has it.

    Raises:
        InputError: an argument holds no saliency maps (`check_maps`), or their shapes or devices
            differ.
    """
    check_maps(maps)
    check_maps(other)
    if maps.shape != other.shape or maps.device != other.device:
        raise InputError(
            f"two sets of saliency maps are compared one by one, found shapes {tuple(maps.shape)} "
            f"on {maps.device} and {tuple(other.shape)} on {other.device}"
        )
    a, b = _centred_ranks(maps), _centred_ranks(other)
    # The products of the deviations are at most (n / 2)^2, their sums exact enough in float64.
    correlation = (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt()
    return correlation.clamp(-1, 1).float()


def _centred_ranks(maps: Tensor) -> Tensor:
    """Return each pixel's mean rank (N, H W), float64, less the mean over all pixels."""
    values = maps.detach().flatten(1).double()
    ordered = values.sort(dim=1).values
    first = torch.searchsorted(ordered, values)
    last = torch.searchsorted(ordered, values, right=True) - 1
    # first + last is twice the mean rank, and n - 1 twice the mean of all of them.
    return (first + last - (values.shape[1] - 1)).double() / 2
