"""How sparse a saliency map is: entropy and compressed size are low, Gini and Hoyer index high."""

from __future__ import annotations

from io import BytesIO
from math import log
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from scaat.errors import InputError, unknown
from scaat.functional.maps import check_maps, over_maximum, quantise
from scaat.functional.precision import widened

LEVELS = 256

CODECS = ("png", "jpeg")
JPEG_QUALITY = 75  # Pillow's and libjpeg's own default


def entropy(maps: Tensor) -> Tensor:
    """Return the Shannon entropy of each saliency map's grey levels, in bits.

    The paper does not define how a real-valued map becomes a distribution. We divide it by its
    maximum, round it to 256 levels, and take the entropy of their histogram: from 0 (all pixels
    equal, including all zero) to 8.

    Args:
        maps: (N, H, W), series (N, L) or volumes (N, D, H, W); floating point, non-negative.

    Returns:
        float32 (N,), bits.

    Raises:
        InputError: ``maps`` have an invalid shape or dtype, or a negative or non-finite value.
    """
    codes = quantise(maps).flatten(1).long()
    n, pixels = codes.shape
    # One histogram over all maps: map i uses the slots from 256 i.
    slots = codes + LEVELS * torch.arange(n, device=codes.device).unsqueeze(1)
    counts = torch.bincount(slots.flatten(), minlength=LEVELS * n).view(n, LEVELS)
    nats = torch.special.entr(widened(counts) / pixels).sum(1)
    bits: Tensor = nats / log(2)
    return bits.float()


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


def gini(maps: Tensor) -> Tensor:
    """Return the Gini index of each saliency map.

    With the n pixels sorted in ascending order c_1 <= ... <= c_n (Hurley and Rickard,
    "Comparing Measures of Sparsity", 2009): 1 - 2 Σ_k (c_k / Σ_j c_j) (n - k + 1/2) / n. It is 0
    if all pixels are equal, 1 - 1/n if a single pixel holds everything, and 0 for a map of zeros.

    Args:
        maps: saliency maps (N, H, W), or (N, L) of series, (N, D, H, W) of volumes; floating
            point, non-negative.

    Returns:
        float32 (N,), from 0 to 1 - 1/n.

    Raises:
        InputError: ``maps`` have an invalid shape or dtype, or a negative or non-finite value.
    """
    check_maps(maps)
    # float64, because the sum over all pixels is subtracted from 1.
    values = widened(maps.detach().flatten(1)).sort(dim=1).values
    n = values.shape[1]
    weights = (n - torch.arange(1, n + 1, device=maps.device, dtype=values.dtype) + 0.5) / n
    total = values.sum(1)
    index = 1 - 2 * (values @ weights) / torch.where(total > 0, total, 1)
    # The clamp removes rounding errors below 0 on constant maps.
    return torch.where(total > 0, index, 0).clamp(min=0).float()


def hoyer(maps: Tensor) -> Tensor:
    """Return the Hoyer index of each saliency map.

    For the n pixels c (Hoyer, "Non-negative Matrix Factorization with Sparseness Constraints",
    2004): (√n - L1(c) / L2(c)) / (√n - 1), with L1 the sum and L2 the Euclidean norm. It
    is 0 if all pixels are equal, 1 if a single pixel holds everything, and independent of the
    map's scale. A map of zeros has 0, as for `gini`.

    Args:
        maps: saliency maps (N, H, W), or (N, L) of series, (N, D, H, W) of volumes; floating
            point, non-negative, of at least two pixels (a map of one pixel has 0).

    Returns:
        float32 (N,), from 0 to 1.

    Raises:
        InputError: ``maps`` have an invalid shape or dtype, or a negative or non-finite value.
    """
    check_maps(maps)
    values = over_maximum(widened(maps.detach().flatten(1)))  # no square under- or overflows
    n = values.shape[1]
    if n == 1:
        return torch.zeros(len(maps), device=maps.device)
    length = values.square().sum(1).sqrt()
    ratio = values.sum(1) / torch.where(length > 0, length, 1)
    index = (n**0.5 - ratio) / (n**0.5 - 1)
    # The clamp removes rounding errors outside [0, 1].
    return torch.where(length > 0, index, 0).clamp(0, 1).float()
