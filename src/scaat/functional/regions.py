"""Region average: replaces each pixel by the mean of its square region."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def suited_region_size(height: int, width: int) -> int:
    """Return the default side of the regions for an image size, in pixels.

    4 pixels for images of 32 and 64 pixels. As a rule of thumb, an eighth of smaller images and a
    sixteenth of larger ones.

    Args:
        height: Image height in pixels.
        width: Image width in pixels.
    """
    side = min(height, width)
    return max(1, round(side / 8)) if side < 32 else max(4, round(side / 16))


def region_average(maps: Tensor, region_size: int) -> Tensor:
    """Average each map over ``region_size`` x ``region_size`` blocks (paper figure 1).

    Args:
        maps: Floating point, shape (N, H, W).
        region_size: Side of a region in pixels, at least 1. If it does not divide H or W, the
            last regions are smaller.

    Returns:
        Shape (N, H, W), constant inside each region.
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
    # Repeat values instead of recomputing them: all pixels of a region stay exactly equal.
    rows = means.repeat_interleave(region_size, dim=1)[:, :height]
    return rows.repeat_interleave(region_size, dim=2)[:, :, :width]
