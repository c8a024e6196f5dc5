"""Enlarging or shrinking as a layer, so that everything outside speaks the data's pixels."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Resize(nn.Module):
    """Bilinear interpolation to one size; differentiable, so maps keep the images' resolution.

    Args:
        size: Height and width in pixels.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to (N, C, *size); shrinking averages first (antialias)."""
        shrinks = images.shape[-2] > self.size[0] or images.shape[-1] > self.size[1]
        return F.interpolate(images, size=self.size, mode="bilinear", antialias=shrinks)

    def extra_repr(self) -> str:
        """Return the size, for printing."""
        return f"size={self.size}"
