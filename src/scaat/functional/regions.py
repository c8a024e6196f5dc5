"""Region average: a map whose every pixel holds the mean of its square region."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def suited_region_size(height: int, width: int) -> int:
    """Return the side of the regions that suits images of a size, in pixels.

    Of 1, 4 and 8 pixels a prototype measured 4 as best for images of 32, and 4 was used at 64. An
    eighth of smaller images and a sixteenth of larger ones is a rule of thumb.

    Args:
        height: Of the images, in pixels.
        width: Of the images, in pixels.
    """
    side = min(height, width)
    return max(1, round(side / 8)) if side < 32 else max(4, round(side / 16))


def region_average(maps: Tensor, region_size: int) -> Tensor:
    """Average each map over squares of ``region_size`` pixels (paper figure 1).

    Args:
        maps: Floating point, shape (N, H, W).
        region_size: Side of a region in pixels, at least 1. Where it does not divide H or W
            the last regions are smaller, and are averaged over the pixels they have.

    Returns:
        Shape (N, H, W): resolution unchanged, constant inside each region.
    """
    if region_size < 1:
        raise ValueError(f"region_size is {region_size}, expected at least 1")
    if maps.dim() != 3:
        raise ValueError(f"maps have shape {tuple(maps.shape)}, expected (N, H, W)")
    if region_size == 1:
        return maps
    height, width = maps.shape[1:]
    means = F.avg_pool2d(
        maps.unsqueeze(1), region_size, ceil_mode=True, count_include_pad=False
    ).squeeze(1)
    # Repeated values, not recomputed ones: all pixels of a region stay exactly equal.
    rows = means.repeat_interleave(region_size, dim=1)[:, :height]
    return rows.repeat_interleave(region_size, dim=2)[:, :, :width]
