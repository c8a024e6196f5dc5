"""A saliency map as heat over its image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaat.report.examples import display_map
from scaat.report.figures.style import HEAT


def overlay(image: NDArray[np.uint8], saliency: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a map's heat, more opaque where it is higher, over its image in dark grey.

    The map is scaled by `scaat.report.examples.display_map`.

    Args:
        image: uint8 (H, W, C), RGB or with one channel.
        saliency: A finite, non-negative map (H, W).

    Returns:
        uint8 RGB (H, W, 3).
    """
    heat = display_map(saliency)
    opacity = heat[..., None]
    blended: NDArray[np.float64] = dark_grey(image) * (1 - opacity) + heat_colours(heat) * opacity
    return np.rint(blended).astype(np.uint8)


def heat_colours(levels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the colours of levels in [0, 1]: uint8 RGB, one axis more."""
    colours: NDArray[np.float64] = HEAT[np.rint(levels * 255).astype(int), :3]
    return np.rint(colours * 255).astype(np.uint8)


def dark_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luminance of (H, W, C) at half its contrast: uint8 RGB (H, W, 3).

    Dark, so that the hottest colour, a pale yellow, shows on white paper and bright tissue too.
    """
    weights = np.array([0.299, 0.587, 0.114]) if image.shape[-1] == 3 else np.ones(1)
    grey = 30 + 0.5 * (image @ weights)
    return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=-1)
