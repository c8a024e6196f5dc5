"""Low-pass filter in the Fourier domain."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.functional.checks import check_positive
from scaat.functional.precision import widest

_ROUNDING = 1e-9  # a cut-off of k / n keeps the k-th frequency of n pixels


def low_pass(images: Tensor, cutoff: float) -> Tensor:
    """Remove the spatial frequencies above a cut-off, whatever their direction.

    The filter is an ideal one, a disc around frequency zero: it keeps the mean. The Fourier
    transform takes images as periodic, so that opposite borders mix.

    Args:
        images: (..., H, W), floating point of single or double precision.
        cutoff: Highest frequency kept, in cycles per pixel, positive. One direction ends at 0.5, a
            checkerboard has 0.707.

    Returns:
        Shape and dtype of ``images``.

    Raises:
        InputError: The cut-off is not positive.
    """
    check_positive(cutoff, "cutoff of the low-pass filter")
    height, width = images.shape[-2:]
    rows = torch.fft.fftfreq(height, dtype=widest(images.device), device=images.device)
    columns = torch.fft.rfftfreq(width, dtype=widest(images.device), device=images.device)
    kept = torch.hypot(rows.unsqueeze(1), columns) <= cutoff + _ROUNDING
    filtered: Tensor = torch.fft.irfft2(torch.fft.rfft2(images) * kept, s=(height, width))
    return filtered
