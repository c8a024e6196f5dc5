"""Compressed size of a saliency map as an image file, in kB; low for a sparse map."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from scaat.errors import InputError, unknown
from scaat.functional.maps import check_maps, quantise

CODECS = ("png", "jpeg")
JPEG_QUALITY = 75  # Pillow's and libjpeg's own default


def compressed_size(maps: Tensor, codec: str = "png", quality: int | None = None) -> Tensor:
    """Return the size of each saliency map as a compressed 8-bit greyscale image.

    A kilobyte is 1,000 bytes, and the file's header counts (about 0.07 kB for PNG, 0.33 kB for
    JPEG). Compare maps of equal size and codec only; the paper names neither.

    Args:
        maps: (N, H, W), floating point, non-negative; rounded to 256 levels as for `entropy`.
        codec: ``"png"`` (the default, because it is lossless) or ``"jpeg"``.
        quality: of ``"jpeg"``, 1 to 95; None means 75. Not for PNG.

    Returns:
        float32 (N,), kilobytes, on the device of ``maps``.

    Raises:
        InputError: the codec is unknown, the quality out of range, or ``maps`` no saliency maps.
    """
    options = save_options(codec, quality)
    check_maps(maps, planar=True)
    sizes = []
    for image in quantise(maps).cpu().numpy():
        file = BytesIO()
        Image.fromarray(image).save(file, **options)
        sizes.append(file.tell() / 1000)
    return torch.tensor(sizes, dtype=torch.float32, device=maps.device)


def save_options(codec: str, quality: int | None) -> dict[str, Any]:
    """Return Pillow's ``save`` options for a codec; raise `InputError` if they are invalid."""
    if codec not in CODECS:
        raise unknown("codec", codec, CODECS)
    if codec == "png":
        if quality is not None:
            raise InputError(f"the codec 'png' takes no quality, found {quality}")
        return {"format": "PNG"}
    quality = JPEG_QUALITY if quality is None else quality
    if not 1 <= quality <= 95:
        raise InputError(f"the quality of the codec 'jpeg' must be from 1 to 95, found {quality}")
    return {"format": "JPEG", "quality": quality}
