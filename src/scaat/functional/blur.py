"""Gaussian blur of images, in proportion to their size."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

RELATIVE_SIGMA = 0.1
TRUNCATION = 4.0


def gaussian_blur(images: Tensor) -> Tensor:
    """Blur images with a standard deviation of a tenth of their shorter side.

    It is in proportion to the image, so that a picture in another resolution is blurred alike,
    and wide enough that the class cannot be told any more: 3.2 pixels at 32, 22.4 at 224. The
    kernel ends at 4 standard deviations and is scaled to a sum of one; beyond the border the
    image is mirrored at its outermost pixels, which are not repeated.

    Args:
        images: (N, C, H, W), floating point.

    Returns:
        (N, C, H, W), between the image's least and greatest value.
    """
    height, width = images.shape[-2:]
    sigma = RELATIVE_SIGMA * min(height, width)
    radius = int(TRUNCATION * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64, device=images.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (kernel / kernel.sum()).to(images.dtype)
    return convolve(images, kernel, kernel, mode="reflect")


def convolve(images: Tensor, column: Tensor, row: Tensor, *, mode: str) -> Tensor:
    """Convolve every channel with a column and then with a row of weights.

    Args:
        images: (N, C, H, W), floating point.
        column: (h,), odd, of the images' dtype.
        row: (w,), odd, of the images' dtype.
        mode: What is beyond the border, as `torch.nn.functional.pad` calls it.

    Returns:
        (N, C, H, W).
    """
    above, beside = len(column) // 2, len(row) // 2
    padding = (beside, beside, above, above)
    planes = F.pad(images.flatten(0, 1).unsqueeze(1), padding, mode=mode)
    blurred = F.conv2d(F.conv2d(planes, column.view(1, 1, -1, 1)), row.view(1, 1, 1, -1))
    return blurred.view_as(images)
