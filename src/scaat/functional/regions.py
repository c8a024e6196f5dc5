"""Region average: replaces each value by the mean of its square or cubic region."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from scaat.errors import InputError

_POOLS = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)  # by the spatial dimensions, less one


def suited_region_size(*sides: int) -> int:
    """Return the default side of the regions for inputs of these sides, in pixels.

    4 pixels for images of 32 and 64 pixels. As a rule of thumb, an eighth of a smaller shortest
    side and a sixteenth of a larger one; not measured for series and volumes.
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


def region_average(maps: Tensor, region_size: int, offset: Sequence[int] | None = None) -> Tensor:
    """Average each map over square regions (paper figure 1), segments or cubes.

    Args:
        maps: Floating point, (N, H, W), series (N, L) or volumes (N, D, H, W).
        region_size: Side of a region in pixels, at least 1; the last regions along a side may be
            smaller.
        offset: By how many pixels the first regions of each dimension are smaller, from 0 to
            ``region_size - 1``; 0 by default.

    Returns:
        Shape of ``maps``, constant inside each region.

    Raises:
        ValueError: The region's side, the offset or the shape is out of range.
    """
    if region_size < 1:
        raise ValueError(f"region_size is {region_size}, expected at least 1")
    if offset is not None:
        return _offset_average(maps, region_size, offset)
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


def _offset_average(maps: Tensor, region_size: int, offset: Sequence[int]) -> Tensor:
    sides = maps.shape[1:]
    if len(offset) != len(sides) or not all(0 <= pixels < region_size for pixels in offset):
        raise ValueError(
            f"offset is {list(offset)}, expected {len(sides)} numbers from 0 to {region_size - 1}"
        )
    # Pixels of weight 0 make the first regions whole.
    margins = [margin for pixels in reversed(offset) for margin in (pixels, 0)]
    weighted = region_average(F.pad(maps, margins), region_size)
    weights = region_average(F.pad(torch.ones_like(maps[:1]), margins), region_size)
    means = weighted / weights
    for dim, (pixels, side) in enumerate(zip(offset, sides, strict=True), 1):
        means = means.narrow(dim, pixels, side)
    return means


def spread(values: Tensor, region_size: int, sides: Sequence[int]) -> Tensor:
    """Give every pixel (..., *sides) the value of its region (..., regions along each side)."""
    for dim, side in enumerate(sides, values.dim() - len(sides)):
        values = values.repeat_interleave(region_size, dim).narrow(dim, 0, side)
    return values
