"""Lattices: the saliency on even and odd rows and columns, and on positions of any period."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.errors import InputError
from scaat.functional.maps import check_maps, over_maximum
from scaat.functional.precision import widened


def lattice_fractions(maps: Tensor) -> Tensor:
    """Return the fraction of each saliency map on each of the four lattices of period 2.

    A lattice is one pixel in four: those with an even or odd row, and an even or odd column.
    Neighbouring pixels are nearly equal, so a network can learn to read one or two lattices alone.
    Its maps are then sparse and, per pixel, faithful, but carry no information on location.
    Fractions are of the lattices' mean values, so odd sides favour none. Zeros count as even.

    Args:
        maps: (N, H, W), floating point, non-negative, of at least two rows and two columns.

    Returns:
        float32 (N, 4), each row summing to 1, in the order (even row, even column), (even, odd),
        (odd, even), (odd, odd); an even spread has 0.25 in each.

    Raises:
        InputError: ``maps`` have an invalid shape or dtype, or a negative or non-finite value.
    """
    check_maps(maps, planar=True)
    if min(maps.shape[1:]) < 2:
        raise InputError(
            f"lattice fractions need maps of two rows and two columns or more, found shape "
            f"{tuple(maps.shape)}"
        )
    values = over_maximum(widened(maps.detach()))  # so that no sum overflows
    means = torch.stack(
        [values[:, row::2, column::2].mean(dim=(1, 2)) for row in (0, 1) for column in (0, 1)], 1
    )
    return torch.nan_to_num(means / means.sum(1, keepdim=True), nan=0.25).float()


def lattice_variance(maps: Tensor, period: int) -> float:
    """Return the variance of the mean saliency over the positions of a period.

    A position is a row and a column modulo the period. A lattice belongs to the network, so the
    mean over even-numbered images is multiplied by that over odd-numbered ones: what varies by
    chance has an expectation of 0. The variance of a multiple of the period is this one plus what
    the multiple adds.

    Args:
        maps: Saliency maps (N, H, W), non-negative, of two images or more; each counts by its
            values over their mean. Rows and columns beyond the last whole period are left out.
        period: Positions along rows and columns, from 1 to the smaller side.

    Returns:
        In units of the squared mean: 0 for an even spread, 1 for every second row at period 2, 3
        for one pixel in four. Slightly negative by chance.
    """
    height, width = (side // period * period for side in maps.shape[1:])
    blocks = widened(maps[:, :height, :width])
    blocks = blocks.unflatten(1, (-1, period)).unflatten(3, (-1, period))
    means = blocks.mean((1, 3)).flatten(1)
    total = means.mean(1, keepdim=True)
    means = torch.where(total > 0, means / torch.where(total > 0, total, 1), 1.0)
    even, odd = means[0::2].mean(0), means[1::2].mean(0)
    return float(((even - 1) * (odd - 1)).mean())
