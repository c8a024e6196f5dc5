"""One geometry for every resized image, mask and box."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from scaat.data.image_set import ImageSet
from scaat.data.memory import require_memory

if TYPE_CHECKING:
    from PIL.Image import Image


def fit(image: Image, size: int, *, nearest: bool = False) -> Image:
    """Resize the shorter side to ``size`` (antialiased bilinear) and crop the centre square."""
    from PIL import Image, ImageOps

    resampling = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR
    return ImageOps.fit(image, (size, size), resampling)


def fit_boxes(boxes: Tensor, sizes: Tensor, size: int) -> Tensor:
    """Return where `fit` takes boxes.

    Args:
        boxes: float32 (N, 4), x0, y0, x1, y1 in pixels.
        sizes: int64 (N, 2), the height and width of each image before.
        size: the side after, in pixels.

    Returns:
        The boxes after, float32 (N, 4), cut at the image's border; a box that was wholly cropped
        away has no area.
    """
    shorter = sizes.amin(dim=1, keepdim=True)
    offset = (sizes - shorter).flip(1) / 2  # x, y
    return ((boxes - offset.repeat(1, 2)) * (size / shorter)).clamp(0, size)


def fit_set(images: ImageSet, size: int) -> ImageSet:
    """Return a set whose images, masks and boxes are square with this side, by `fit`."""
    if images.image_size == (size, size):
        return images
    from PIL import Image

    count = len(images)
    require_memory(count * images.channels * size**2, f"{count} images of {size}x{size}")
    resized = np.empty((count, size, size, images.channels), np.uint8)
    for position, pixels in enumerate(images.pixels().permute(0, 2, 3, 1).numpy()):
        image = Image.fromarray(pixels.squeeze(-1) if images.channels == 1 else pixels)
        resized[position] = np.asarray(fit(image, size)).reshape(size, size, -1)
    masks = images.masks
    if masks is not None:
        squares = [fit(Image.fromarray(mask), size, nearest=True) for mask in masks.numpy()]
        masks = torch.from_numpy(np.stack([np.asarray(square) for square in squares]))
    boxes = images.boxes
    if boxes is not None:
        boxes = fit_boxes(boxes, torch.tensor([images.image_size]).expand(count, 2), size)
    changed = torch.from_numpy(resized).permute(0, 3, 1, 2).contiguous()
    return replace(images, images=changed, masks=masks, boxes=boxes)
