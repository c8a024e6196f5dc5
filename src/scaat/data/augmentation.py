"""Random crops and flips of a whole batch at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scaat.errors import InputError


@dataclass(frozen=True)
class Augmentation:
    """Which changes leave an image's class as it is: moves, and mirrors with probability 1/2.

    An image moves by up to ``crop_padding`` pixels each way, with a reflected border.
    """

    crop_padding: int = 0
    horizontal_flip: bool = False
    vertical_flip: bool = False

    def __post_init__(self) -> None:
        if self.crop_padding < 0:
            raise InputError(f"crop_padding is {self.crop_padding}; expected 0 or more")


# For images of which nothing else is known: what training on CIFAR-10 commonly uses.
COMMON = Augmentation(crop_padding=4, horizontal_flip=True)


def augment(images: Tensor, augmentation: Augmentation) -> Tensor:
    """Crop and flip every image of a batch, (N, C, H, W) of any dtype and device, by its own draws.

    They come from torch's global generator of the CPU: a seed gives the same batch on every device.
    A padding that is not smaller than the image, and so cannot be reflected, is an `InputError`.
    """
    if augmentation == Augmentation():
        return images
    count, _, height, width = images.shape
    padding = augmentation.crop_padding
    if padding >= min(height, width):
        raise InputError(
            f"crop_padding is {padding}; expected less than the image's sides ({height}x{width})"
        )
    rows = _source(count, height, padding, augmentation.vertical_flip).to(images.device)
    columns = _source(count, width, padding, augmentation.horizontal_flip).to(images.device)
    # One flat index a pixel, shared by the channels: several times faster than indexing by axis.
    pixel = (rows.unsqueeze(2) * width + columns.unsqueeze(1)).flatten(1).unsqueeze(1)
    moved = images.flatten(2).gather(2, pixel.expand(-1, images.shape[1], -1))
    return moved.view(images.shape)


def _source(count: int, length: int, padding: int, flip: bool) -> Tensor:
    """Return where each pixel along one axis comes from: int64 (count, length)."""
    position = torch.arange(length).expand(count, length)
    if padding:
        position = position + torch.randint(-padding, padding + 1, (count, 1))
        position = position.abs()  # reflect at the first pixel, then at the last
        position = (length - 1) - (length - 1 - position).abs()
    if flip:
        position = torch.where(torch.rand(count, 1) < 0.5, length - 1 - position, position)
    return position
