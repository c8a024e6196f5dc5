"""Region average: replaces each value by the mean of its square or cubic region."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from scaat.errors import InputError

_POOLS = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)
"""By the number of spatial dimensions, less one."""


def suited_region_size(*sides: int) -> int:
    """Return the default side of the regions for inputs of this size, in pixels.

    4 pixels for images of 32 and 64 pixels. As a rule of thumb, an eighth of smaller images and a
    sixteenth of larger ones; not measured for series and volumes.

    Args:
        sides: Of an image, series or volume in pixels; the shortest one counts.
    """
    side = min(sides)
    return max(1, round(side / 8)) if side < 32 else max(4, round(side / 16))


def check_region_size(region_size: int, sides: Sequence[int]) -> None:
    """Raise `InputError` if regions are larger than inputs of these sides."""
    if region_size > min(sides):
        raise InputError(
            f"region_size must be at most the shortest side {min(sides)} of inputs of size "
            f"{tuple(sides)}, found {region_size}"
        )


def region_average(maps: Tensor, region_size: int) -> Tensor:
    """Average each map over square regions (paper figure 1), segments or cubes.

    Args:
        maps: Floating point, shape (N, H, W); (N, L) for series, (N, D, H, W) for volumes.
        region_size: Side of a region in pixels, at least 1. If it does not divide a side of the
            map, the last regions are smaller.

    Returns:
        Shape of ``maps``, constant inside each region.
    """
    if region_size < 1:
        raise ValueError(f"region_size is {region_size}, expected at least 1")
    if maps.dim() not in (2, 3, 4):
        raise ValueError(
            f"maps have shape {tuple(maps.shape)}, expected (N, L), (N, H, W) or (N, D, H, W)"
        )
    if region_size == 1:
        return maps
    pool = _POOLS[maps.dim() - 2]
    window = [min(region_size, side) for side in maps.shape[1:]]  # avg_pool3d takes none larger
    means = pool(maps.unsqueeze(1), window, ceil_mode=True, count_include_pad=False)
    return spread(means.squeeze(1), region_size, maps.shape[1:])


def spread(values: Tensor, region_size: int, sides: Sequence[int]) -> Tensor:
    """Give every pixel the value of its region, exactly.

    Args:
        values: One for each region, shape (..., regions along each side).
        region_size: Side of a region in pixels.
        sides: Of the result in pixels.

    Returns:
        Shape (..., *sides).
    """
    for dim, side in enumerate(sides, values.dim() - len(sides)):
        values = values.repeat_interleave(region_size, dim).narrow(dim, 0, side)
    return values
