"""Gaussian blur of images, proportional to their size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from scaat.functional.precision import widest

RELATIVE_SIGMA = 0.1
TRUNCATION = 4.0


def gaussian_blur(images: Tensor) -> Tensor:
    """Blur images with a standard deviation of a tenth of their shortest side.

    The blur is proportional to the image, hence independent of resolution, and wide enough to
    hide the class: 3.2 pixels at 32, 22.4 at 224. The kernel ends at 4 standard deviations and
    sums to one. Borders are mirrored without repeating the outermost pixels. Images are floating
    point, (N, C, H, W), (N, C, L) or (N, C, D, H, W), and stay between minimum and maximum.
    """
    sides = images.shape[2:]
    sigma = RELATIVE_SIGMA * min(sides)
    radius = int(TRUNCATION * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1, dtype=widest(images.device), device=images.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (kernel / kernel.sum()).to(images.dtype)
    return convolve(images, [kernel for _ in sides], mode="reflect")


def convolve(images: Tensor, kernels: Sequence[Tensor], *, mode: str) -> Tensor:
    """Convolve every channel of images (N, C, ...) with a line of weights along each side in turn.

    There is one kernel for each of one to three sides, of odd length and of the images' dtype: for
    (N, C, H, W) the column comes before the row. ``mode`` is that of `torch.nn.functional.pad`.
    """
    convolution = (F.conv1d, F.conv2d, F.conv3d)[len(kernels) - 1]
    padding = [len(kernel) // 2 for kernel in reversed(kernels) for _ in range(2)]
    blurred = F.pad(images.flatten(0, 1).unsqueeze(1), padding, mode=mode)
    for side, kernel in enumerate(kernels):
        shape = [-1 if other == side else 1 for other in range(len(kernels))]
        blurred = convolution(blurred, kernel.view(1, 1, *shape))
    return blurred.view_as(images)
