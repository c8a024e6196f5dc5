"""Spearman's rank correlation of two saliency maps."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.errors import InputError
from scaat.functional.maps import check_maps
from scaat.functional.precision import widened


def spearman(maps: Tensor, other: Tensor) -> Tensor:
    """Return the rank correlation of each map with the other map of the same image.

    This is Pearson's correlation of the pixels' ranks; equal values have the mean of their ranks.
    Only the order of the pixels matters, not the scale or sharpness of a map.

    Args:
        maps: saliency maps (N, H, W), floating point, non-negative.
        other: maps of the same images by another model or method, like ``maps``.

    Returns:
        float32 (N,), from -1 to 1; NaN if one of the maps is constant and has no order, as in
        `scipy.stats.spearmanr`.

    Raises:
        InputError: an argument is no batch of maps (`check_maps`), or shapes or devices differ.
    """
    check_maps(maps)
    check_maps(other)
    if maps.shape != other.shape or maps.device != other.device:
        raise InputError(
            f"two sets of saliency maps are compared one by one, found shapes {tuple(maps.shape)} "
            f"on {maps.device} and {tuple(other.shape)} on {other.device}"
        )
    a, b = _centred_ranks(maps), _centred_ranks(other)
    # Products of deviations are at most (n / 2)^2; float64 is exact enough for their sums.
    correlation = (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt()
    return correlation.clamp(-1, 1).float()


def _centred_ranks(maps: Tensor) -> Tensor:
    """Return each pixel's mean rank (N, H W), float64, less the mean over all pixels."""
    values = widened(maps.detach().flatten(1))
    ordered = values.sort(dim=1).values
    first = torch.searchsorted(ordered, values)
    last = torch.searchsorted(ordered, values, right=True) - 1
    # first + last is twice the mean rank, n - 1 twice the mean of all ranks.
    return widened(first + last - (values.shape[1] - 1)) / 2
