"""Localisation: fraction of the saliency on the object, given as a mask."""

from __future__ import annotations

import torch
from torch import Tensor

from scaat.errors import InputError
from scaat.functional.maps import check_maps
from scaat.functional.precision import widened, widest


def pointing_game(maps: Tensor, masks: Tensor) -> Tensor:
    """Return whether the most salient pixel is on the object (Zhang et al. 2018).

    If several pixels attain the maximum, the value is the fraction of them inside. There is no
    tolerance around the object; Zhang et al. allow 15 pixels in photographs of about 500. A map of
    zeros counts as a constant one.

    Args:
        maps: saliency maps (N, H, W), floating point, non-negative.
        masks: the objects, bool (N, H, W), on the device of ``maps``.

    Returns:
        float32 (N,), from 0 to 1; NaN for an empty mask. A constant map has the mask's fraction
        of the image.

    Raises:
        InputError: ``maps`` are no saliency maps (`check_maps`), or ``masks`` are not as above.
    """
    values, inside = _rows(maps, masks)
    largest = values == values.amax(1, keepdim=True)
    return _share(widened(largest), inside)


def energy_inside(maps: Tensor, masks: Tensor) -> Tensor:
    """Return the fraction of each map's sum that is on the object.

    Known as the energy-based pointing game (Wang et al. 2020) and as relevance mass accuracy
    (Arras et al. 2022).

    Args:
        maps: see `pointing_game`.
        masks: see `pointing_game`.

    Returns:
        As `pointing_game`.

    Raises:
        InputError: as `pointing_game`.
    """
    values, inside = _rows(maps, masks)
    return _share(torch.where(values.amax(1, keepdim=True) > 0, widened(values), 1), inside)


def iou_at_area(maps: Tensor, masks: Tensor) -> Tensor:
    """Return the intersection over union of the object and equally many most salient pixels.

    The map keeps as many pixels as the mask has, so there is no threshold to choose. Ties at the
    cut count by the fraction of them that fits.

    Args:
        maps: see `pointing_game`.
        masks: see `pointing_game`.

    Returns:
        float32 (N,), from 0 to 1; NaN for an empty mask. A constant map has a / (2 - a), with a
        the mask's fraction of the image.

    Raises:
        InputError: as `pointing_game`.
    """
    values, inside = _rows(maps, masks)
    area = inside.sum(1, keepdim=True)
    ranked = values.sort(dim=1, descending=True).values
    cut = ranked.gather(1, (area - 1).clamp(min=0))
    above, level = values > cut, values == cut
    still = area - above.sum(1, keepdim=True)
    kept = above + level * (still / level.sum(1, keepdim=True, dtype=widest(maps.device)))
    intersection = torch.where(inside, kept, 0).sum(1)
    area = area.squeeze(1)
    return _defined(intersection / (2 * area - intersection), area)


def box_masks(boxes: Tensor, height: int, width: int) -> Tensor:
    """Return the mask of each box: the pixels whose centre is in it.

    Coordinates refer to the pixels' edges, as in `scaat.data.ImageSet`: pixel i covers [i, i + 1)
    and is inside if x0 <= i + 1/2 < x1. A box of integers contains the pixels x0 ... x1 - 1; one
    without area contains none. The mask of a resized box is the resized mask (nearest neighbour).

    Args:
        boxes: (N, 4) real numbers x0 <= x1, y0 <= y1 in pixels, as x0, y0, x1, y1; parts outside
            the image are cut off.
        height: of the image, in pixels.
        width: of the image, in pixels.

    Returns:
        bool (N, height, width), on the device of ``boxes``.

    Raises:
        InputError: ``boxes`` have an invalid shape, a non-finite value, or ends in wrong order.
    """
    if boxes.dim() != 2 or boxes.shape[1] != 4:
        raise InputError(f"boxes must have shape (N, 4), found {tuple(boxes.shape)}")
    bad = ~boxes.isfinite().all(1) | (boxes[:, 2:] < boxes[:, :2]).any(1)
    for row in bad.nonzero().flatten()[:1].tolist():
        raise InputError(
            f"box {row} is {boxes[row].tolist()}, "
            "expected finite x0, y0, x1, y1 with x0 <= x1 and y0 <= y1"
        )
    x0, y0, x1, y1 = boxes.unsqueeze(2).unbind(1)
    x = torch.arange(width, device=boxes.device) + 0.5
    y = torch.arange(height, device=boxes.device) + 0.5
    columns, rows = (x0 <= x) & (x < x1), (y0 <= y) & (y < y1)
    return rows.unsqueeze(2) & columns.unsqueeze(1)


def _rows(maps: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Return checked maps and masks with flattened pixels, (N, H W)."""
    check_maps(maps)
    if masks.dtype != torch.bool or masks.shape != maps.shape or masks.device != maps.device:
        raise InputError(
            f"the masks of saliency maps of shape {tuple(maps.shape)} on {maps.device} must be "
            f"torch.bool of the same shape and device, found {masks.dtype} of shape "
            f"{tuple(masks.shape)} on {masks.device}"
        )
    return maps.detach().flatten(1), masks.flatten(1)


def _share(values: Tensor, inside: Tensor) -> Tensor:
    """Return the fraction of positive float64 values (N, P) that is inside."""
    return _defined(torch.where(inside, values, 0).sum(1) / values.sum(1), inside.sum(1))


def _defined(values: Tensor, area: Tensor) -> Tensor:
    return torch.where(area > 0, values, torch.nan).float()
