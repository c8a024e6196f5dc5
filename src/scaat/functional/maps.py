"""Checks of saliency maps, and their conversion to 8-bit images."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.errors import InputError


def check_maps(maps: Tensor, *, planar: bool = False) -> None:
    """Raise `InputError` unless ``maps`` are saliency maps.

    Args:
        maps: (N, H, W), floating point, finite and non-negative, with at least one pixel; or
            (N, L) of series, (N, D, H, W) of volumes.
        planar: Refuse maps of series and volumes.

    Raises:
        InputError: ``maps`` have an invalid shape or dtype, or a negative or non-finite value.
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

    Division by its maximum removes the map's scale; a map of zeros stays zero. Exact halves round
    to the even level.

    Args:
        maps: saliency maps, as for `check_maps`.

    Returns:
        uint8, shape of ``maps``, levels 0 to 255.

    Raises:
        InputError: ``maps`` are not saliency maps (`check_maps`).
    """
    check_maps(maps)
    values = maps.detach().to(torch.promote_types(maps.dtype, torch.float32))
    peak = values.flatten(1).amax(1).view(-1, *(1 for _ in maps.shape[1:]))
    return (values / torch.where(peak > 0, peak, 1) * 255).round().to(torch.uint8)
