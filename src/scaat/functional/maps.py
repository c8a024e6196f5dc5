"""Checks of saliency maps, and their conversion to 8-bit images."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.errors import InputError


def check_maps(maps: Tensor, *, planar: bool = False) -> None:
    """Raise `InputError` unless ``maps`` are saliency maps.

    They are (N, H, W), or unless ``planar`` (N, L) of series or (N, D, H, W) of volumes; floating
    point, finite and non-negative, with at least one pixel.
    """
    fits = maps.dim() == 3 if planar else maps.dim() in (2, 3, 4)
    if not fits or not maps.is_floating_point() or 0 in maps.shape[1:]:
        shapes = "(N, H, W)" if planar else "(N, H, W), (N, L) or (N, D, H, W)"
        raise InputError(
            f"saliency maps must be a floating-point tensor of shape {shapes}, found "
            f"{maps.dtype} of shape {tuple(maps.shape)}"
        )
    if maps.numel() == 0:
        return
    low, high = torch.stack(maps.detach().aminmax()).tolist()  # a NaN anywhere makes both NaN
    if not (low >= 0 and high < float("inf")):
        raise InputError(
            f"saliency maps must be finite and non-negative, found values from {low:g} to {high:g}"
        )


def quantise(maps: Tensor) -> Tensor:
    """Return each map as an 8-bit image: ``round(255 * map / max(map))``.

    A map of zeros stays zero; exact halves round to the even level. The result is uint8, of the
    shape of ``maps``, which are checked by `check_maps`.
    """
    check_maps(maps)
    values = maps.detach().to(torch.promote_types(maps.dtype, torch.float32))
    return (over_maximum(values) * 255).round().to(torch.uint8)


def over_maximum(values: Tensor) -> Tensor:
    """Divide each map (N, ...) by its maximum; a map of zeros stays zero."""
    peak = values.flatten(1).amax(1).view(-1, *(1 for _ in values.shape[1:]))
    return values / torch.where(peak > 0, peak, 1)
