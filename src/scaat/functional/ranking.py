"""Order of removal of an image's regions, by saliency."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor

import torch
from torch import Tensor

from scaat.errors import InputError, unknown
from scaat.functional.regions import region_average

ORDERS = ("lerf", "morf")
"""Least and most relevant first."""


def check_orders(orders: Sequence[str]) -> None:
    """Raise `InputError` unless ``orders`` names one or both, each once."""
    for order in orders:
        if order not in ORDERS:
            raise unknown("order", order, ORDERS)
    if not orders or len(set(orders)) < len(orders):
        raise InputError(f"orders must name 'lerf', 'morf' or both once, found {tuple(orders)}")


def count_regions(images: Tensor, region_size: int) -> int:
    """Return the number of regions of an image (N, C, H, W); border regions may be smaller."""
    height, width = images.shape[2:]
    return ceil(height / region_size) * ceil(width / region_size)


def replaced_regions(steps: int, fraction: float, regions: int) -> list[int]:
    """Return the number of replaced regions at each of the steps 1 ... steps.

    Raises:
        InputError: the last step replaces none.
    """
    counts = [floor(k * fraction * regions / steps + 0.5) for k in range(1, steps + 1)]
    if counts[-1] == 0:
        raise InputError(
            f"a fraction of {fraction:g} of {regions} regions replaces none of them; "
            "a larger fraction or a smaller region size is needed"
        )
    return counts


def pixel_ranks(maps: Tensor, ties: Tensor, orders: Sequence[str], region_size: int) -> Tensor:
    """Return, for each order, the rank at which each pixel's region is removed.

    Args:
        maps: saliency maps (N, H, W).
        ties: int64 (N, R), a permutation of the R regions, row by row, which orders regions of
            equal saliency in all orders.
        orders: of ``"lerf"`` and ``"morf"``.
        region_size: side of the square regions in pixels.

    Returns:
        int64 (N, orders, H, W), from 0 to R - 1.
    """
    height, width = maps.shape[1:]
    scores = _region_scores(maps, region_size)
    ranks = [_ranks(scores, ties, descending=order == "morf") for order in orders]
    return torch.stack([_on_pixels(r, region_size, height, width) for r in ranks], dim=1)


def _region_scores(maps: Tensor, region_size: int) -> Tensor:
    """Return the mean saliency of each region, float64 (n, R), row by row."""
    # In float64 the mean of any number of equal float32 values is that value, so a smaller border
    # region ties with the others.
    means = region_average(maps.double(), region_size)
    return means[:, ::region_size, ::region_size].flatten(1)


def _ranks(scores: Tensor, ties: Tensor, descending: bool) -> Tensor:
    """Return the position (n, R) at which each region is replaced; ``ties`` orders equal scores."""
    by_score = scores.gather(1, ties).argsort(dim=1, descending=descending, stable=True)
    order = ties.gather(1, by_score)
    positions = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, positions)


def _on_pixels(values: Tensor, region_size: int, height: int, width: int) -> Tensor:
    """Give every pixel (n, H, W) the value (n, R) of its region."""
    rows = torch.arange(height, device=values.device) // region_size
    columns = torch.arange(width, device=values.device) // region_size
    grid = rows.unsqueeze(1) * ceil(width / region_size) + columns
    return values[:, grid]
