"""Lattice fractions: the saliency on even and odd rows and columns."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.errors import InputError
from scaat.functional.maps import check_maps


def lattice_shares(maps: Tensor) -> Tensor:
    """Return the fraction of each saliency map on each of the four lattices of period 2.

    A lattice is one pixel in four: those with an even or odd row, and an even or odd column.
    Neighbouring pixels are nearly equal, so a network can learn to read only one or two lattices.
    Its maps are then sparse and, per pixel, faithful, but carry no information on location.
    Fractions refer to the lattices' mean values, so an odd number of rows or columns favours none.
    A map of zeros counts as an even spread.

    Args:
        maps: saliency maps (N, H, W), floating point, non-negative, of at least two rows
            and two columns.

    Returns:
        float32 (N, 4), each row summing to 1, in the order (even row, even column), (even, odd),
        (odd, even), (odd, odd); an even spread has 0.25 in each.

    Raises:
        InputError: ``maps`` have an invalid shape or dtype, or a negative or non-finite value.
    """
    check_maps(maps)
    if min(maps.shape[1:]) < 2:
        raise InputError(
            f"lattice shares need maps of two rows and two columns or more, found shape "
            f"{tuple(maps.shape)}"
        )
    values = maps.detach().double()
    # Divide by the maximum, so that no sum overflows.
    peak = values.amax(dim=(1, 2), keepdim=True)
    values = values / torch.where(peak > 0, peak, 1)
    means = torch.stack(
        [values[:, row::2, column::2].mean(dim=(1, 2)) for row in (0, 1) for column in (0, 1)], 1
    )
    total = means.sum(1, keepdim=True)
    return torch.where(total > 0, means / torch.where(total > 0, total, 1), 0.25).float()
